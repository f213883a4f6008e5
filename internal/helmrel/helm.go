package helmrel

import (
	"fmt"
	"io"
	"log"
	"strings"
	"sync"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/kube"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	sluice "github.com/sluice-gitops/sluice/internal/kube"
)

func init() {
	// the manager that Helm's own program writes: an object changed by both keeps one owner
	kube.ManagedFieldsManager = "helm"
}

// Quiet silences what Helm and client-go would write to stderr on their own. Some of it holds values.
// It acts on the whole process.
func Quiet() {
	log.SetOutput(io.Discard)
	sluice.Quiet()
}

// Cluster is Helm on one cluster. All releases share its discovery. It is safe for concurrent use.
type Cluster struct {
	// External is where values may come from that a URL names; nil for nowhere.
	External *External

	config   *rest.Config
	client   kubernetes.Interface
	metadata metadata.Interface
	cached   discovery.CachedDiscoveryInterface
	mapper   *restmapper.DeferredDiscoveryRESTMapper

	mu   sync.Mutex
	caps *chartutil.Capabilities

	present census

	maps    memo[map[string]string]
	secrets memo[map[string][]byte]
}

// NewCluster connects to nothing yet.
func NewCluster(config *rest.Config) (*Cluster, error) {
	config = rest.CopyConfig(config)
	// one release needs a few dozen requests; the API server has its own fairness
	config.QPS, config.Burst = -1, -1
	config.WarningHandler = rest.NoWarnings{}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	meta, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	cached := memory.NewMemCacheClient(client.Discovery())
	return &Cluster{config: config, client: client, metadata: meta, cached: cached,
		mapper: restmapper.NewDeferredDiscoveryRESTMapper(cached)}, nil
}

// getter is what Helm asks for clients: the cluster's, with the release's namespace as the default.
type getter struct {
	*Cluster
	namespace string
	sight     *sight
}

func (g getter) ToRESTConfig() (*rest.Config, error) {
	config := rest.CopyConfig(g.config)
	config.Wrap(g.sight.over)
	return config, nil
}

func (g getter) ToDiscoveryClient() (discovery.CachedDiscoveryInterface, error) { return g.cached, nil }

func (g getter) ToRESTMapper() (meta.RESTMapper, error) { return g.mapper, nil }

func (g getter) ToRawKubeConfigLoader() clientcmd.ClientConfig { return g }

func (g getter) RawConfig() (clientcmdapi.Config, error) { return *clientcmdapi.NewConfig(), nil }

func (g getter) ClientConfig() (*rest.Config, error) { return g.ToRESTConfig() }

func (g getter) Namespace() (string, bool, error) { return g.namespace, true, nil }

func (g getter) ConfigAccess() clientcmd.ConfigAccess { return nil }

// configuration prepares one Helm action. What Helm would log is dropped: some of its messages hold
// values or whole Secrets. notes gets the few that are the only word on a failure.
func (c *Cluster) configuration(namespace string, sight *sight, notes *[]string) (*action.Configuration, error) {
	cfg := &action.Configuration{}
	log := func(format string, args ...any) {
		if strings.HasPrefix(format, "uninstall: Failed to delete release") {
			*notes = append(*notes, fmt.Sprintf(format, args...))
		}
	}
	if err := cfg.Init(getter{c, namespace, sight}, namespace, "secret", log); err != nil {
		return nil, err
	}
	cfg.SetHookOutputFunc(func(_, _, _ string) io.Writer { return io.Discard })
	caps, err := c.capabilities()
	cfg.Capabilities = caps
	return cfg, err
}

// capabilities are asked for once: version and API groups.
func (c *Cluster) capabilities() (*chartutil.Capabilities, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.caps != nil {
		return c.caps, nil
	}
	version, err := c.cached.ServerVersion()
	if err != nil {
		return nil, sluice.Explained(err, "asking the API server for its version")
	}
	apis, err := action.GetVersionSet(c.cached)
	if err != nil && !discovery.IsGroupDiscoveryFailedError(err) {
		return nil, sluice.Explained(err, "asking the API server for its resources")
	}
	c.caps = &chartutil.Capabilities{
		APIVersions: apis,
		KubeVersion: chartutil.KubeVersion{Version: version.GitVersion, Major: version.Major, Minor: version.Minor},
		HelmVersion: chartutil.DefaultCapabilities.HelmVersion,
	}
	return c.caps, nil
}

// forget makes the next action ask anew what the API server knows.
func (c *Cluster) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.caps = nil
	c.mapper.Reset() // invalidates the cached discovery too
}
