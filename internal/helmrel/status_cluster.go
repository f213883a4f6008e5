package helmrel

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sluice-gitops/sluice/internal/kube"
)

// Object is a HelmRelease as the cluster holds it.
type Object struct {
	APIVersion string
	ID         ID
	UID        string
	Generation int64
	// Deleting says that somebody has deleted it, and that it waits for a finalizer.
	Deleting bool
	Status   Status
	// JSON is the whole object.
	JSON json.RawMessage
}

func objectsPath(apiVersion, namespace string) string {
	if namespace == "" {
		return "/apis/" + apiVersion + "/helmreleases"
	}
	return "/apis/" + apiVersion + "/namespaces/" + namespace + "/helmreleases"
}

// list reads the HelmReleases of one version, of all namespaces where none is named.
func (c *Cluster) list(ctx context.Context, apiVersion, namespace string) ([]Object, error) {
	raw, err := c.client.Discovery().RESTClient().Get().AbsPath(objectsPath(apiVersion, namespace)).SetHeader("Accept", "application/json").Do(ctx).Raw()
	if err != nil {
		return nil, err
	}
	var answer struct {
		Kind     string `json:"kind"`
		Metadata struct {
			Continue string `json:"continue"`
		} `json:"metadata"`
		Items []json.RawMessage `json:"items"`
	}
	if err := json.Unmarshal(raw, &answer); err != nil || answer.Kind != Kind+"List" || answer.Metadata.Continue != "" {
		return nil, fmt.Errorf("the answer is no whole list of HelmReleases (kind %q)", answer.Kind)
	}
	all := make([]Object, 0, len(answer.Items))
	for _, item := range answer.Items {
		o, err := readObject(apiVersion, item)
		if err != nil {
			return nil, err
		}
		all = append(all, o)
	}
	return all, nil
}

func readObject(apiVersion string, text json.RawMessage) (Object, error) {
	var read struct {
		Metadata struct {
			Name              string  `json:"name"`
			Namespace         string  `json:"namespace"`
			UID               string  `json:"uid"`
			Generation        int64   `json:"generation"`
			DeletionTimestamp *string `json:"deletionTimestamp"`
		} `json:"metadata"`
		Status json.RawMessage `json:"status"`
	}
	if err := json.Unmarshal(text, &read); err != nil {
		return Object{}, fmt.Errorf("reading a HelmRelease: %w", err)
	}
	m := read.Metadata
	o := Object{APIVersion: apiVersion, ID: ID{m.Namespace, m.Name}, UID: m.UID, Generation: m.Generation, Deleting: m.DeletionTimestamp != nil, JSON: text}
	_ = json.Unmarshal(read.Status, &o.Status) // one that is not as it should be is written over
	return o, nil
}

// seen are the HelmReleases that the cluster holds, by version and identity.
type seen map[string]map[ID]*Object

// look finds the objects of the HelmReleases that are wanted: one list of each version that is among them.
// Where there is no such kind, or no right to read it, there are none.
func (c *Cluster) look(ctx context.Context, wanted []Wanted, note func(string)) (seen, error) {
	namespaces := map[string]map[string]bool{} // by version
	for _, w := range wanted {
		if namespaces[w.version()] == nil {
			namespaces[w.version()] = map[string]bool{}
		}
		namespaces[w.version()][w.ID.Namespace] = true
	}
	found := seen{}
	for version, in := range namespaces {
		found[version] = map[ID]*Object{}
		names := slices.Sorted(maps.Keys(in))
		tries := [][]string{{""}, names}
		if len(names) == 1 {
			tries = tries[1:]
		}
		var err error
		for _, try := range tries {
			for _, namespace := range try {
				var objects []Object
				if objects, err = c.list(ctx, version, namespace); err != nil {
					break
				}
				for _, o := range objects {
					found[version][o.ID] = &o
				}
			}
			if !apierrors.IsForbidden(err) {
				break
			}
		}
		switch {
		case err == nil, apierrors.IsNotFound(err):
		case apierrors.IsForbidden(err):
			note(fmt.Sprintf("no status of HelmReleases: %v", err))
		default:
			return nil, kube.Explained(err, "listing HelmReleases")
		}
	}
	return found, nil
}

// version is the API version of the object, as its manifest says.
func (w Wanted) version() string {
	if w.Release != nil && w.Release.APIVersion == LegacyAPIVersion || w.APIVersion == LegacyAPIVersion {
		return LegacyAPIVersion
	}
	return APIVersion
}

// statuses writes the statuses of one run.
type statuses struct {
	cluster *Cluster
	note    func(string)
	objects seen

	mu      sync.Mutex
	refused bool // that they may not be written has been said
	old     bool // the cluster's CustomResourceDefinition does not know the condition Ready
}

// of is the object of a HelmRelease; nil where the cluster holds none.
func (s *statuses) of(w Wanted) *Object {
	if s == nil {
		return nil
	}
	return s.objects[w.version()][w.ID]
}

// write writes a status where it differs from what is there. That it cannot be written fails nothing.
func (s *statuses) write(ctx context.Context, o *Object, next Status) (differs bool) {
	s.mu.Lock()
	old := s.old
	s.mu.Unlock()
	if old {
		next.drop(conditionReady)
	}
	if reflect.DeepEqual(o.Status, next) {
		return false
	}
	err := s.patch(ctx, o, next)
	if apierrors.IsInvalid(err) && !old {
		s.mu.Lock()
		s.old = true
		s.mu.Unlock()
		s.note("the cluster's CustomResourceDefinition of HelmReleases does not know the condition Ready: deploy/crds has one that does")
		return s.write(ctx, o, next)
	}
	if err == nil {
		o.Status = next
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.refused && !apierrors.IsNotFound(err) {
		s.refused = true
		s.note(fmt.Sprintf("no status of HelmReleases: %v", err))
	}
	return true
}

// patch is a merge patch: conditions are a list of ours as a whole, and other fields stay.
func (s *statuses) patch(ctx context.Context, o *Object, next Status) error {
	text := func(s string) any {
		if s == "" {
			return nil // takes out what is there
		}
		return s
	}
	body, err := json.Marshal(map[string]any{"status": map[string]any{
		"observedGeneration": next.ObservedGeneration, "phase": text(string(next.Phase)),
		"releaseName": text(next.ReleaseName), "releaseStatus": text(next.ReleaseStatus),
		"revision": text(next.Revision), "lastAttemptedRevision": text(next.LastAttemptedRevision),
		"rollbackCount": next.RollbackCount, "conditions": next.Conditions,
	}})
	if err != nil {
		return err
	}
	return s.cluster.client.Discovery().RESTClient().Patch(types.MergePatchType).
		AbsPath(objectsPath(o.APIVersion, o.ID.Namespace), o.ID.Name, "status").Param("fieldManager", kube.Manager).
		Body(body).Do(ctx).Error()
}
