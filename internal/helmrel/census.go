package helmrel

import (
	"context"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/metadata"
)

// A run that makes many releases asks once which objects of a kind there are in a namespace, and not
// for each object whether it is there. That pays from fewLists installs on, and while no kind has more
// than longList objects.
const (
	fewLists = 3
	longList = 500
)

// census is what a run knows of the objects that were there before it.
type census struct {
	mu       sync.Mutex
	installs int
	made     map[string]bool
	lists    memo[map[string]bool]
}

// expect says how many releases are to be made anew.
func (c *census) expect(installs int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.installs = installs
}

// lacks reports that an object is not there, as far as the run knows, which is about to make it. A false
// answer says nothing: it has to be asked for.
func (c *census) lacks(ctx context.Context, client metadata.Interface, kind schema.GroupVersionResource, namespace, name string) bool {
	c.mu.Lock()
	enough := c.installs >= fewLists
	key := kind.String() + " " + namespace
	again := c.made[key+"/"+name]
	if c.made == nil {
		c.made = map[string]bool{}
	}
	c.made[key+"/"+name] = true
	c.mu.Unlock()
	if !enough || again {
		return false
	}
	names, err := c.lists.do(key, func() (map[string]bool, error) {
		list, err := client.Resource(kind).Namespace(namespace).List(ctx, metav1.ListOptions{Limit: longList})
		if err != nil || list.Continue != "" {
			return nil, err
		}
		names := map[string]bool{}
		for _, item := range list.Items {
			names[item.Name] = true
		}
		return names, nil
	})
	return err == nil && names != nil && !names[name]
}
