package kube

import (
	"context"
	"net/http"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// live is what the API server tells of an object without its content.
type live struct {
	UID             string
	ResourceVersion string
	Fields          string // digest of our own managedFields entry; empty where we own nothing, as of an object with a name only
	Changed         string // time of our last change, to the second
	Deleting        bool
	Finalizers      []string
	Ignore          string // see ignoring
	Owner           string // the inventory that its annotation names

	managed []managed // nil once it is known that nothing differs
}

// partial is a PartialObjectMetadata, as far as it is read.
type partial struct {
	Kind     string          `json:"kind"`
	Metadata partialMetadata `json:"metadata"`
}

type partialMetadata struct {
	Namespace         string            `json:"namespace"`
	Name              string            `json:"name"`
	UID               string            `json:"uid"`
	ResourceVersion   string            `json:"resourceVersion"`
	DeletionTimestamp *string           `json:"deletionTimestamp"`
	Finalizers        []string          `json:"finalizers"`
	Annotations       map[string]string `json:"annotations"`
	ManagedFields     []managed         `json:"managedFields"`
}

func (m *partialMetadata) live() *live {
	l := &live{
		UID: m.UID, ResourceVersion: m.ResourceVersion,
		Deleting: m.DeletionTimestamp != nil, Finalizers: m.Finalizers,
		Ignore: ignoring(func(name string) string { return m.Annotations[name] }),
		Owner:  m.Annotations[OwnerAnnotation],
	}
	for _, entry := range m.ManagedFields {
		if entry.ours() {
			// The time tells an apply in our name from our own.
			l.Fields, l.Changed = digest([]byte(entry.APIVersion), []byte(entry.Time), entry.FieldsV1), entry.Time
		}
	}
	l.managed = m.ManagedFields
	return l
}

// snapshot is what was found in the cluster.
type snapshot struct {
	mu      sync.Mutex
	objects map[ID]*live
	// unseen are the objects that could not be looked at.
	unseen map[ID]error
}

func (s *snapshot) found(id ID, m *partialMetadata) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.objects[id] = m.live()
}

func (s *snapshot) hidden(id ID, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unseen[id] = err
}

// look finds the objects: one list per kind. Where a list of the whole cluster is forbidden it
// lists namespace by namespace, and where that is forbidden too it asks for each object. Narrow says
// not to list the whole cluster in the first place.
func (c *Client) look(ctx context.Context, wanted map[*Resource][]ID, atOnce int, narrow bool) (*snapshot, error) {
	s := &snapshot{objects: map[ID]*live{}, unseen: map[ID]error{}}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for resource, ids := range wanted {
		group.Go(func() error { return c.lookKind(ctx, s, resource, ids, narrow) })
	}
	return s, group.Wait()
}

func (c *Client) lookKind(ctx context.Context, s *snapshot, r *Resource, ids []ID, narrow bool) error {
	if len(ids) == 1 {
		return c.lookOne(ctx, s, r, ids[0])
	}
	perNamespace := map[string][]ID{}
	for _, id := range ids {
		perNamespace[id.Namespace] = append(perNamespace[id.Namespace], id)
	}
	if len(perNamespace) > 1 && !narrow {
		err := c.list(ctx, s, r, "", ids)
		if !apierrors.IsForbidden(err) {
			return explained(err, "listing "+r.GroupKind().String())
		}
	}
	for namespace, ids := range perNamespace {
		err := c.list(ctx, s, r, namespace, ids)
		if !apierrors.IsForbidden(err) {
			if err != nil {
				return explained(err, "listing "+r.GroupKind().String())
			}
			continue
		}
		for _, id := range ids {
			if err := c.lookOne(ctx, s, r, id); err != nil {
				return err
			}
		}
	}
	return nil
}

// list keeps what is in ids; a cluster holds much that is none of our business.
func (c *Client) list(ctx context.Context, s *snapshot, r *Resource, namespace string, ids []ID) error {
	var answer struct {
		Items []partial `json:"items"`
	}
	_, err := c.do(ctx, request{method: http.MethodGet, path: r.path(namespace, ""), accept: metadataList}, &answer)
	if err != nil {
		return err
	}
	wanted := make(map[ID]bool, len(ids))
	for _, id := range ids {
		wanted[id] = true
	}
	for i := range answer.Items {
		m := &answer.Items[i].Metadata
		id := ID{r.Group, r.Kind, m.Namespace, m.Name}
		if wanted[id] {
			s.found(id, m)
		}
	}
	return nil
}

// lookOne asks for one object. That it may not be looked at is no failure of the run.
func (c *Client) lookOne(ctx context.Context, s *snapshot, r *Resource, id ID) error {
	m, err := c.metadata(ctx, r, id)
	switch {
	case apierrors.IsForbidden(err):
		s.hidden(id, err)
		return nil
	case err != nil:
		return explained(err, "reading "+id.String())
	case m != nil:
		s.found(id, m)
	}
	return nil
}

// metadata reads one object's metadata; nil where there is no such object.
func (c *Client) metadata(ctx context.Context, r *Resource, id ID) (*partialMetadata, error) {
	var answer partial
	_, err := c.do(ctx, request{method: http.MethodGet, path: r.path(id.Namespace, id.Name), accept: metadataOnly}, &answer)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return &answer.Metadata, nil
}

// canList says whether a kind can be looked at before it is applied. A few cannot.
func (r *Resource) canList() bool {
	return slices.Contains(r.Verbs, "list") && slices.Contains(r.Verbs, "get")
}
