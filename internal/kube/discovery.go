package kube

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// aggregated asks for everything in one answer; a server older than 1.30 knows the beta.
const aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList," +
	"application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"

// Kinds are the kinds that a cluster serves.
type Kinds struct {
	versions map[GroupKind][]*Resource // the server's preferred version first
}

// discoveryList is the part of an APIGroupDiscoveryList that we read.
type discoveryList struct {
	Kind  string `json:"kind"`
	Items []struct {
		Metadata struct {
			Name string `json:"name"`
		} `json:"metadata"`
		Versions []struct {
			Version   string `json:"version"`
			Resources []struct {
				Resource     string `json:"resource"`
				ResponseKind struct {
					Kind string `json:"kind"`
				} `json:"responseKind"`
				Scope string   `json:"scope"`
				Verbs []string `json:"verbs"`
			} `json:"resources"`
		} `json:"versions"`
	} `json:"items"`
}

// Discover asks for the kinds that are served: two requests.
func (c *Client) Discover(ctx context.Context) (*Kinds, error) {
	var answers [2]discoveryList
	both, ctx := errgroup.WithContext(ctx)
	for i, path := range []string{"/api", "/apis"} {
		both.Go(func() error {
			if _, err := c.do(ctx, request{method: http.MethodGet, path: path, accept: aggregated}, &answers[i]); err != nil {
				return explained(err, "asking the API server for its kinds")
			}
			switch answers[i].Kind {
			case "APIGroupDiscoveryList":
				return nil
			case "APIVersions", "APIGroupList":
				return &Error{Code: "old-server", Hint: "Kubernetes 1.27 or newer is needed",
					Err: fmt.Errorf("asking the API server for its kinds: %s answered with a %q", path, answers[i].Kind)}
			}
			return badAnswer(fmt.Errorf("asking the API server for its kinds: the answer to %s is no list of them", path))
		})
	}
	if err := both.Wait(); err != nil {
		return nil, err
	}
	kinds := &Kinds{versions: map[GroupKind][]*Resource{}}
	for _, answer := range answers {
		kinds.add(answer)
	}
	return kinds, nil
}

func (k *Kinds) add(list discoveryList) {
	for _, group := range list.Items {
		for _, version := range group.Versions {
			for _, r := range version.Resources {
				if !slices.Contains(r.Verbs, "patch") {
					continue // reviews, bindings: nothing that can be kept in git
				}
				resource := &Resource{
					Group: group.Metadata.Name, Version: version.Version, Kind: r.ResponseKind.Kind,
					Plural: r.Resource, Namespaced: r.Scope == "Namespaced", Verbs: r.Verbs,
				}
				key := resource.GroupKind()
				k.versions[key] = append(k.versions[key], resource)
			}
		}
	}
}

// Find gives the resource of a kind at a version; an empty version takes the preferred one.
// It is nil where the cluster does not serve it.
func (k *Kinds) Find(kind GroupKind, version string) *Resource {
	for _, r := range k.versions[kind] {
		if version == "" || r.Version == version {
			return r
		}
	}
	return nil
}

// Versions lists the API versions at which a kind is served, preferred one first; also under
// other groups, for a kind whose own group serves it no more.
func (k *Kinds) Versions(kind GroupKind) []string {
	var names []string
	for _, r := range k.versions[kind] {
		names = append(names, apiVersion(r.Group, r.Version))
	}
	if names != nil {
		return names
	}
	for key, resources := range k.versions {
		if key.Kind == kind.Kind {
			names = append(names, apiVersion(resources[0].Group, resources[0].Version))
		}
	}
	slices.SortFunc(names, cmp.Compare)
	return names
}

// youngKind is how old a CustomResourceDefinition may be for its kind to be awaited: the API server lists
// a new kind some seconds after it has taken its definition, perhaps of a run just before this one.
const youngKind = time.Minute

// discoverYoung asks again for kinds that objects are of and that the cluster does not serve, as long as
// a definition in their group is young. Those that this very run defines are awaited in their turn.
func (s *Sync) discoverYoung(ctx context.Context, kinds *Kinds) (*Kinds, error) {
	defined := map[GroupKind]bool{}
	for _, o := range s.Objects {
		if kind, ok := o.definedKind(); ok {
			defined[kind] = true
		}
	}
	missing := slices.DeleteFunc(slices.Clone(s.Objects), func(o *Object) bool {
		kind := o.ID.GroupKind()
		return defined[kind] || kind.Group == "" || slices.Contains(s.Skip, kind) || kinds.Find(kind, "") != nil
	})
	if len(missing) == 0 || !s.Client.anyYoung(ctx, kinds, missing, s.Lease.Now()) {
		return kinds, nil
	}
	for deadline := time.Now().Add(servedLimit); time.Now().Before(deadline); {
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(500 * time.Millisecond):
		}
		again, err := s.Client.Discover(ctx)
		if err != nil {
			return nil, err
		}
		kinds = again
		if !slices.ContainsFunc(missing, func(o *Object) bool { return kinds.Find(o.ID.GroupKind(), "") == nil }) {
			break
		}
	}
	return kinds, nil
}

// anyYoung says whether a definition in the group of one of the objects is young. Who may not look at
// definitions does not know of any.
func (c *Client) anyYoung(ctx context.Context, kinds *Kinds, objects []*Object, local time.Time) bool {
	crds := kinds.Find(crdKind, "")
	if crds == nil {
		return false
	}
	var answer struct {
		Items []struct {
			Metadata struct {
				Name              string    `json:"name"`
				CreationTimestamp time.Time `json:"creationTimestamp"`
			} `json:"metadata"`
		} `json:"items"`
	}
	if _, err := c.do(ctx, request{method: http.MethodGet, path: crds.path("", ""), accept: metadataList}, &answer); err != nil {
		return false
	}
	for _, item := range answer.Items {
		if c.now(local).Sub(item.Metadata.CreationTimestamp) < youngKind &&
			slices.ContainsFunc(objects, func(o *Object) bool { return mayDefine(item.Metadata.Name, o.ID.GroupKind()) }) {
			return true
		}
	}
	return false
}

// mayDefine guesses by the name of a definition, the plural and the group, whether it is of a kind.
func mayDefine(name string, kind GroupKind) bool {
	plural, group, _ := strings.Cut(name, ".")
	start := strings.ToLower(kind.Kind)
	return group == kind.Group && strings.HasPrefix(plural, start[:min(3, len(start))])
}
