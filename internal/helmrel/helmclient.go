package helmrel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"helm.sh/helm/v3/pkg/kube"
	"helm.sh/helm/v3/pkg/storage/driver"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/cli-runtime/pkg/resource"
)

// client is Helm's client, with fewer questions, and with the HelmRelease's name on what it makes.
type client struct {
	*kube.Client
	sight *sight
	owner ID
	// leftovers are the objects of a revision that failed, which the release that is upgraded may lack.
	leftovers kube.ResourceList

	mu    sync.Mutex
	hooks map[*resource.Info]bool
}

// IsReachable is asked before every action; whether the server is there shows soon enough.
func (c *client) IsReachable() error { return nil }

// Build does without Helm's validation: the API server validates fields itself. Helm asks for it with
// hooks only, by which they are known.
func (c *client) Build(manifest io.Reader, hook bool) (kube.ResourceList, error) {
	list, err := c.Client.Build(manifest, false)
	if hook {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, info := range list {
			c.hooks[info] = true
		}
	}
	return list, err
}

// mark notes the owner on the objects of a release, and reports whether they are a hook's, which bear no
// owner.
func (c *client) mark(list kube.ResourceList) (hook bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	access := meta.NewAccessor()
	for _, info := range list {
		if c.hooks[info] {
			return true, nil
		}
		annotations, err := access.Annotations(info.Object)
		if err != nil {
			return false, err
		}
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[Antecedent] = antecedent(c.owner)
		if err := access.SetAnnotations(info.Object, annotations); err != nil {
			return false, err
		}
	}
	return false, nil
}

// Create makes objects. What a hook does may change others.
func (c *client) Create(list kube.ResourceList) (*kube.Result, error) {
	hook, err := c.mark(list)
	if err != nil {
		return nil, err
	}
	defer c.wrote(hook)
	return c.Client.Create(list)
}

// wrote forgets what was seen; after the release's own objects nothing is to be remembered any more.
func (c *client) wrote(hook bool) {
	if hook {
		c.sight.clear()
		return
	}
	c.sight.close()
}

// Update makes, changes and deletes objects.
func (c *client) Update(original, target kube.ResourceList, force bool) (*kube.Result, error) {
	if _, err := c.mark(target); err != nil {
		return &kube.Result{}, err
	}
	defer c.wrote(false)
	for _, info := range c.leftovers {
		if !original.Contains(info) {
			original.Append(info)
		}
	}
	return c.Client.Update(original, target, force)
}

// WaitForDelete must see objects go.
func (c *client) WaitForDelete(list kube.ResourceList, timeout time.Duration) error {
	c.sight.close()
	defer c.sight.open()
	return c.Client.WaitForDelete(list, timeout)
}

// lookLimit is how many objects of one release are asked for at a time.
const lookLimit = 8

// inspect looks at the objects that an action would change or delete, and refuses with a [*TakenError]
// what is somebody else's. Helm asks for the same objects a moment later, and is then answered from
// memory. What cannot be looked at is left for Helm to complain of.
func (s *session) inspect(t Task, rendered, deployed string) error {
	wanted, err := s.client.Build(strings.NewReader(rendered), false)
	if err != nil {
		return nil
	}
	if t.Decision.Step == StepInstall {
		s.cluster.present.skip(s, wanted)
	}
	all := slices.Clone(wanted)
	if before, err := s.client.Build(strings.NewReader(deployed), false); err == nil {
		all = append(all, before.Difference(wanted)...)
	}
	if err := s.owned(all, t.Left, t.History.neverDeployed()); err != nil {
		return err
	}
	return s.findLeftovers(t.History)
}

// owned looks at objects, and says which are somebody else's. What cannot be looked at may be. With
// marked, so is what does not say itself that it is of this release.
func (s *session) owned(list kube.ResourceList, left func(ID) bool, marked bool) error {
	by := make([]string, len(list))
	var looking errgroup.Group
	looking.SetLimit(lookLimit)
	for i, info := range list {
		looking.Go(func() error {
			annotations, found, err := annotationsOf(info)
			if err != nil {
				return fmt.Errorf("looking whose %s %s is: %w", info.Mapping.GroupVersionKind.Kind, info.Name, err)
			}
			by[i] = takenBy(annotations, s.client.owner, s.id, left)
			if by[i] == "" && marked && found && !s.marked(annotations) {
				by[i] = "somebody else, who made it before this release could"
			}
			return nil
		})
	}
	if err := looking.Wait(); err != nil {
		return err
	}
	taken := &TakenError{}
	for i, info := range list {
		if by[i] == "" {
			continue
		}
		if taken.By == "" {
			taken.By = by[i]
		}
		taken.Objects = append(taken.Objects, info.Mapping.GroupVersionKind.Kind+" "+info.Name)
	}
	if taken.By == "" {
		return nil
	}
	return taken
}

// marked reports whether an object says that it is of this release.
func (s *session) marked(annotations map[string]string) bool {
	return ReleaseID{annotations[releaseAnnotations.namespace], annotations[releaseAnnotations.name]} == s.id
}

// annotationsOf asks for an object. That there is none is no error.
func annotationsOf(info *resource.Info) (annotations map[string]string, found bool, err error) {
	object, err := resource.NewHelper(info.Client, info.Mapping).Get(info.Namespace, info.Name)
	switch {
	case apierrors.IsNotFound(err):
		return nil, false, nil
	case err != nil:
		return nil, false, err
	}
	annotations, err = meta.NewAccessor().Annotations(object)
	return annotations, true, err
}

// findLeftovers finds what a revision that failed may have made and the deployed one does not know of, so
// that the upgrade deletes what the new one does not have either. Only what says itself that it is of
// this release counts.
func (s *session) findLeftovers(h History) error {
	last := lastRevision(h)
	if last == 0 || h[len(h)-1].Status == statusDeployed || lastDeployed(h) == 0 {
		return nil
	}
	failed, err := s.store.revision(last)
	if err != nil {
		return err
	}
	made, err := s.client.Build(strings.NewReader(failed.Manifest), false)
	if err != nil {
		return nil
	}
	for _, info := range made {
		if annotations, _, err := annotationsOf(info); err == nil && s.marked(annotations) {
			s.client.leftovers.Append(info)
		}
	}
	return nil
}

// uninstallable refuses to uninstall a release of which an object is somebody else's.
func (s *session) uninstallable(h History) error {
	if len(h) == 0 {
		return nil
	}
	found, err := s.store.revision(lastRevision(h))
	switch {
	case errors.Is(err, driver.ErrReleaseNotFound):
		return nil // somebody else was quicker
	case err != nil: // which Helm would take for there being no release
		return fault("uninstalling", fmt.Errorf("reading revision %d: %w", lastRevision(h), err))
	}
	list, err := s.client.Build(strings.NewReader(found.Manifest), false)
	if err != nil {
		return fault("uninstalling", fmt.Errorf("unable to build kubernetes objects for delete: %w", err))
	}
	return s.owned(list, nil, h.neverDeployed())
}

// restorable refuses to roll back where that would change or delete an object that is somebody else's.
func (s *session) restorable(from, to int, left func(ID) bool) error {
	var lists []kube.ResourceList
	for _, version := range []int{from, to} {
		found, err := s.store.revision(version)
		if err != nil {
			return nil // Helm says what is wrong with it
		}
		list, err := s.client.Client.Build(strings.NewReader(found.Manifest), false)
		if err != nil {
			return nil
		}
		lists = append(lists, list)
	}
	if err := s.owned(lists[1], left, false); err != nil {
		return err
	}
	// what the failed revision alone has it has made, and marked
	return s.owned(lists[0].Difference(lists[1]), left, true)
}

// skip notes which of the objects that a release is to make are not there, so that nobody asks for them.
func (c *census) skip(s *session, wanted kube.ResourceList) {
	for _, info := range wanted {
		if c.lacks(context.Background(), s.cluster.metadata, info.Mapping.Resource, info.Namespace, info.Name) {
			path := info.Client.Get().NamespaceIfScoped(info.Namespace, info.Namespaced()).Resource(info.Mapping.Resource.Resource).Name(info.Name).URL().Path
			s.client.sight.absent(path)
		}
	}
}
