package kube

import (
	"context"
	"fmt"
	"maps"
	"regexp"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// InventoryLabel is on the ConfigMap, where it is the name of the inventory, and on every object that
// was applied; see [Owner].
const InventoryLabel = "sluice.dev/inventory"

// Store keeps one inventory in one ConfigMap.
type Store struct {
	client    *Client
	namespace string
	name      string // of the inventory
	object    string // of the ConfigMap and the Lease
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

// Load reads the inventory. Where there is none it is empty.
func (s *Store) Load(ctx context.Context) (*Inventory, error) {
	var found configMap
	ok, err := s.client.Get(ctx, configMaps, s.namespace, s.object, &found)
	if err != nil {
		return nil, explained(err, "reading the inventory "+s.String())
	}
	if !ok {
		return &Inventory{Entries: map[ID]*Entry{}, Sources: map[string]SourceState{}}, nil
	}
	if found.Kind != "ConfigMap" {
		return nil, badAnswer(fmt.Errorf("reading the inventory %s: the answer is no ConfigMap", s))
	}
	inv, err := decodeInventory(found.Data)
	if err != nil {
		return nil, &Error{Code: "bad-inventory", Hint: "kubectl -n " + s.namespace + " get configmap " + s.object + " -o yaml shows it",
			Err: fmt.Errorf("reading the inventory %s: %w", s, err)}
	}
	inv.version, inv.metadata = found.Metadata.ResourceVersion, found.Metadata
	return inv, nil
}

// Save writes the inventory, if it differs from what is stored, and only if nobody else has
// written it since it was loaded or saved.
func (s *Store) Save(ctx context.Context, inv *Inventory) error {
	data, err := inv.encode()
	if err != nil {
		return err
	}
	if inv.version != "" && maps.Equal(data, inv.stored) {
		return nil
	}
	object := configMap{APIVersion: "v1", Kind: "ConfigMap", Data: data, Metadata: inv.metadata}
	object.Metadata.Name, object.Metadata.Namespace = s.object, s.namespace
	object.Metadata.Labels = map[string]string{InventoryLabel: s.name}
	maps.Copy(object.Metadata.Labels, inv.metadata.Labels)
	var saved configMap
	if inv.version == "" {
		err = s.client.Create(ctx, configMaps, s.namespace, object, &saved)
	} else {
		err = s.client.Update(ctx, configMaps, s.namespace, s.object, object, &saved)
	}
	switch {
	case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err):
		return &Error{Code: "lost-lease", Err: fmt.Errorf("writing the inventory %s: somebody else has written it meanwhile: %w", s, err)}
	case apierrors.IsNotFound(err) && inv.version == "":
		return noNamespace(err, "writing the inventory "+s.String())
	case err != nil:
		return explained(err, "writing the inventory "+s.String())
	}
	inv.version, inv.metadata, inv.stored = saved.Metadata.ResourceVersion, saved.Metadata, data
	return nil
}
