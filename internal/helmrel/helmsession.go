package helmrel

import (
	"context"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/release"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// session is Helm at work on one release.
type session struct {
	cluster *Cluster
	id      ReleaseID
	cfg     *action.Configuration
	store   *records
	notes   []string // what Helm said that is the only word on a failure
}

// session begins the work on a release of which h is known.
func (c *Cluster) session(id ReleaseID, h History) (*session, error) {
	s := &session{cluster: c, id: id}
	cfg, err := c.configuration(id.Namespace, &s.notes)
	if err != nil {
		return nil, err
	}
	s.store = &records{Driver: cfg.Releases.Driver, name: id.Name, read: map[int]*release.Release{}, remove: func(key string) error {
		return c.client.CoreV1().Secrets(id.Namespace).Delete(context.Background(), key, metav1.DeleteOptions{})
	}}
	s.store.history = append(s.store.history, h...)
	cfg.Releases.Driver = s.store
	s.cfg = cfg
	return s, nil
}
