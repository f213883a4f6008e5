package kube

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strconv"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// InventoryLabel is on the ConfigMap, where it is the name of the inventory, and on every object that
// was applied; see [Owner].
const InventoryLabel = "sluice.dev/inventory"

// Store keeps one inventory, in a ConfigMap and, where that is full, in further ones: its shards. A
// shard is never deleted, only emptied.
type Store struct {
	client    *Client
	namespace string
	name      string // of the inventory
	object    string // of the ConfigMap and the Lease
	full      int    // how much a ConfigMap takes before a shard is begun, in bytes; fullPart when zero
}

var inventoryName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)

// NewStore names an inventory of a tool. Each tool has inventories of its own: kapply's
// "default" is the ConfigMap sluice-kapply-default. A name is lower-case letters, digits and
// dashes, 40 at most.
func NewStore(client *Client, tool, namespace, name string) (*Store, error) {
	if !inventoryName.MatchString(name) || len(name) > 40 {
		return nil, fmt.Errorf("%q is no name for an inventory: up to 40 lower-case letters, digits and dashes", name)
	}
	return &Store{client: client, namespace: namespace, name: name, object: "sluice-" + tool + "-" + name}, nil
}

// involve is the ConfigMap as the object of an event.
func (s *Store) involve(inv *Inventory) Involved {
	return Involved{APIVersion: "v1", Kind: "ConfigMap", Namespace: s.namespace, Name: s.object}
}

// Owner is the identity of the inventory.
func (s *Store) Owner() Owner { return Owner{s.namespace, s.name} }

// String is the ConfigMap for people.
func (s *Store) String() string { return "ConfigMap/" + s.namespace + "/" + s.object }

// Lease is the lease of the inventory.
func (s *Store) Lease() *Lease {
	return &Lease{client: s.client, namespace: s.namespace, name: s.object}
}

// configMap is a ConfigMap, as far as it is ours to write.
type configMap struct {
	APIVersion string            `json:"apiVersion"`
	Kind       string            `json:"kind"`
	Metadata   configMapMetadata `json:"metadata"`
	Data       map[string]string `json:"data"`
}

type configMapMetadata struct {
	Name            string            `json:"name"`
	Namespace       string            `json:"namespace"`
	UID             string            `json:"uid,omitempty"`
	ResourceVersion string            `json:"resourceVersion,omitempty"`
	Labels          map[string]string `json:"labels,omitempty"`
	Annotations     map[string]string `json:"annotations,omitempty"`
	Finalizers      []string          `json:"finalizers,omitempty"`
}

// partName is the name of a part's ConfigMap. No inventory can be called so: a name has no dot.
func (s *Store) partName(n int) string {
	if n == 0 {
		return s.object
	}
	return fmt.Sprintf("%s.%d", s.object, n)
}

// Load reads the inventory: one request, and one for each of its shards. Where there is none it is
// empty; a shard that is named and is not there, or that is not understood, is an error.
func (s *Store) Load(ctx context.Context) (*Inventory, error) {
	main, err := s.loadPart(ctx, 0)
	if err != nil {
		return nil, err
	}
	if main == nil {
		inv := newInventory()
		inv.full = s.full
		return inv, nil
	}
	shards, err := shardsOf(main.stored)
	if err != nil {
		return nil, s.bad(err)
	}
	parts := make([]*part, shards+1)
	parts[0] = main
	all, reading := errgroup.WithContext(ctx)
	for n := 1; n <= shards; n++ {
		all.Go(func() (err error) {
			parts[n], err = s.loadPart(reading, n)
			if err == nil && parts[n] == nil {
				err = s.bad(fmt.Errorf("its shard %s is not there", s.partName(n)))
			}
			return err
		})
	}
	if err := all.Wait(); err != nil {
		return nil, err
	}
	data := make([]map[string]string, len(parts))
	for n, p := range parts {
		data[n] = p.stored
	}
	inv, err := decodeInventory(data)
	if err != nil {
		return nil, s.bad(err)
	}
	inv.parts, inv.full = parts, s.full
	return inv, nil
}

// bad says that what is stored is not understood.
func (s *Store) bad(err error) error {
	return &Error{Code: "bad-inventory", Hint: "kubectl -n " + s.namespace + " get configmap " + s.object + " -o yaml shows it",
		Err: fmt.Errorf("reading the inventory %s: %w", s, err)}
}

// loadPart reads one ConfigMap; nil where there is none.
func (s *Store) loadPart(ctx context.Context, n int) (*part, error) {
	var found configMap
	ok, err := s.client.Get(ctx, configMaps, s.namespace, s.partName(n), &found)
	switch {
	case err != nil:
		return nil, explained(err, "reading the inventory "+s.String())
	case !ok:
		return nil, nil
	case found.Kind != "ConfigMap":
		return nil, badAnswer(fmt.Errorf("reading the inventory %s: the answer is no ConfigMap", s))
	}
	return &part{found.Metadata, found.Data}, nil
}

// errLeftover says that the ConfigMap of a new shard is there already.
var errLeftover = errors.New("the shard is there already")

// Save writes the inventory, as far as it differs from what is stored, and only if nobody else has
// written it since it was loaded or saved. The main ConfigMap comes last: it names shards that are
// there, and notes of the sources what all entries bear out.
func (s *Store) Save(ctx context.Context, inv *Inventory) error {
	data, err := inv.encode()
	if err != nil {
		return err
	}
	for n := 1; n < len(data); n++ {
		err := s.savePart(ctx, inv, n, data[n])
		if errors.Is(err, errLeftover) {
			if err = s.claim(ctx, inv, n); err == nil {
				err = s.savePart(ctx, inv, n, data[n])
			}
		}
		if err != nil {
			return err
		}
	}
	return s.savePart(ctx, inv, 0, data[0])
}

func (s *Store) savePart(ctx context.Context, inv *Inventory, n int, data map[string]string) (err error) {
	for n >= len(inv.parts) {
		inv.parts = append(inv.parts, &part{})
	}
	p := inv.parts[n]
	fresh := p.metadata.ResourceVersion == ""
	if !fresh && maps.Equal(data, p.stored) {
		return nil
	}
	object := configMap{APIVersion: "v1", Kind: "ConfigMap", Data: data, Metadata: p.metadata}
	object.Metadata.Name, object.Metadata.Namespace = s.partName(n), s.namespace
	object.Metadata.Labels = map[string]string{InventoryLabel: s.name}
	maps.Copy(object.Metadata.Labels, p.metadata.Labels)
	var saved configMap
	if fresh {
		err = s.client.Create(ctx, configMaps, s.namespace, object, &saved)
	} else {
		err = s.client.Update(ctx, configMaps, s.namespace, object.Metadata.Name, object, &saved)
	}
	switch {
	case apierrors.IsAlreadyExists(err) && n > 0:
		return errLeftover
	case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err):
		return &Error{Code: "lost-lease", Err: fmt.Errorf("writing the inventory %s: somebody else has written it meanwhile: %w", s, err)}
	case apierrors.IsNotFound(err) && fresh:
		return noNamespace(err, "writing the inventory "+s.String())
	case err != nil:
		return explained(err, "writing the inventory "+s.String())
	}
	*p = part{saved.Metadata, data}
	return nil
}

// claim takes over the ConfigMap of a shard that the main one does not name: a run that died had made
// it. Or a run that holds the lease by now has just made it, and ours was lost; so the main one is
// written first, which the other run does after its shards, and only one of the two can.
func (s *Store) claim(ctx context.Context, inv *Inventory, n int) error {
	leftover, err := s.loadPart(ctx, n)
	switch {
	case err != nil:
		return err
	case leftover == nil, leftover.stored[keyShard] != strconv.Itoa(n):
		return s.bad(fmt.Errorf("ConfigMap %s is in the way of its shard %d", s.partName(n), n))
	}
	main := maps.Clone(inv.parts[0].stored)
	if main == nil {
		main = map[string]string{keyFormat: inventoryFormat, keyCount: "0", keySources: "{}", keyEntries: ""}
	}
	main[keyClaim] = s.partName(n) + "@" + leftover.metadata.ResourceVersion
	if err := s.savePart(ctx, inv, 0, main); err != nil {
		return err
	}
	inv.parts[n].metadata = leftover.metadata
	return nil
}
