package helmrel

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/sluice-gitops/sluice/internal/kube"
)

var secretsResource = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}

// Histories reads the metadata of every release record, no release and no value among it, in one
// request. Without the right to list everywhere it asks namespace by namespace, for those named only.
func (c *Cluster) Histories(ctx context.Context, namespaces []string) (map[ReleaseID]History, error) {
	all := map[ReleaseID]History{}
	err := c.records(ctx, metav1.NamespaceAll, all)
	if apierrors.IsForbidden(err) {
		err = nil
		for _, namespace := range namespaces {
			if err = c.records(ctx, namespace, all); err != nil {
				break
			}
		}
	}
	if err != nil {
		return nil, kube.Explained(err, "listing Helm's release records")
	}
	for _, h := range all {
		slices.SortFunc(h, func(a, b Revision) int { return a.Version - b.Version })
	}
	return all, nil
}

func (c *Cluster) records(ctx context.Context, namespace string, all map[ReleaseID]History) error {
	list, err := c.metadata.Resource(secretsResource).Namespace(namespace).List(ctx, metav1.ListOptions{LabelSelector: "owner=helm"})
	if err != nil {
		return err
	}
	if list.Continue != "" {
		return errors.New("the answer is no whole list") // what it leaves out would be gone
	}
	for _, item := range list.Items {
		version, err := strconv.Atoi(item.Labels["version"])
		name := item.Labels["name"]
		if err != nil || name == "" {
			continue // not a record of Helm's
		}
		id := ReleaseID{item.Namespace, name}
		all[id] = append(all[id], revisionOf(version, item.Labels, item.CreationTimestamp.Time))
	}
	return nil
}

// ConfigMap reads one; each is read once. It makes a Cluster an [Objects].
func (c *Cluster) ConfigMap(ctx context.Context, namespace, name string) (map[string]string, error) {
	return c.maps.do(namespace+"/"+name, func() (map[string]string, error) {
		m, err := c.client.CoreV1().ConfigMaps(namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return nil, absent(err)
		}
		data := map[string]string{}
		for k, v := range m.BinaryData {
			data[k] = string(v)
		}
		for k, v := range m.Data {
			data[k] = v
		}
		return data, nil
	})
}

// Secret reads one; each is read once.
func (c *Cluster) Secret(ctx context.Context, namespace, name string) (map[string][]byte, error) {
	return c.secrets.do(namespace+"/"+name, func() (map[string][]byte, error) {
		s, err := c.client.CoreV1().Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return nil, absent(err)
		}
		return s.Data, nil
	})
}

// URL reads values from where [Cluster.External] allows it; nil allows nothing.
func (c *Cluster) URL(ctx context.Context, at string) ([]byte, error) {
	external := c.External
	if external == nil {
		external = &External{guard: &Guard{}}
	}
	return external.read(ctx, at)
}

func absent(err error) error {
	if apierrors.IsNotFound(err) {
		return ErrNotFound
	}
	return err
}

// Addresses are where the API server is; see [Guard].
func (c *Cluster) Addresses(ctx context.Context) []netip.AddrPort {
	u, err := url.Parse(c.config.Host)
	if err != nil || u.Hostname() == "" {
		u = &url.URL{Scheme: "https", Host: c.config.Host}
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80"}[u.Scheme]
	}
	if port == "" {
		port = "443"
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", u.Hostname())
	if err != nil {
		return nil
	}
	var all []netip.AddrPort
	for _, ip := range ips {
		all = append(all, netip.AddrPortFrom(ip.Unmap().WithZone(""), uint16(number)))
	}
	return all
}
