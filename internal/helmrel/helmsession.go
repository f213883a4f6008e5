package helmrel

import (
	"context"
	"errors"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/kube"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/releaseutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/resource"
)

// session is Helm at work on one release.
type session struct {
	cluster *Cluster
	id      ReleaseID
	cfg     *action.Configuration
	store   *records
	client  *client
	changes []ObjectChange // of its objects
	notes   []string       // what Helm said that is the only word on a failure
}

// session begins the work on a release of which h is known, on behalf of a HelmRelease.
func (c *Cluster) session(id ReleaseID, owner ID, h History) (*session, error) {
	s := &session{cluster: c, id: id}
	seen := &sight{seen: map[string]*answer{}}
	cfg, err := c.configuration(id.Namespace, seen, &s.notes)
	if err != nil {
		return nil, err
	}
	helm, ok := cfg.KubeClient.(*kube.Client)
	if !ok {
		return nil, errors.New("this Helm talks to the API server by another client than it used to")
	}
	s.client = &client{Client: helm, sight: seen, owner: owner, hooks: map[*resource.Info]bool{}}
	cfg.KubeClient = s.client
	s.store = &records{Driver: cfg.Releases.Driver, name: id.Name, read: map[int]*release.Release{}, remove: func(key string) error {
		return c.client.CoreV1().Secrets(id.Namespace).Delete(context.Background(), key, metav1.DeleteOptions{})
	}}
	s.store.history = append(s.store.history, h...)
	cfg.Releases.Driver = s.store
	s.cfg = cfg
	return s, nil
}

// documents are the YAML documents of a manifest.
func documents(manifest string) map[string]string { return releaseutil.SplitManifests(manifest) }
