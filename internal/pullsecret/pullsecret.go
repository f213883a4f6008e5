// Package pullsecret reads from a cluster the docker configurations that workloads pull their images
// with: the Secrets named by imagePullSecrets of the pods and of their service accounts.
//
// It asks for nothing but single objects by their names, each once, so that a role needs only the
// verb get on serviceaccounts and secrets.
package pullsecret

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"sync"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Target names a cluster. The zero value is what kubectl would take: $KUBECONFIG, ~/.kube/config, and
// inside a pod the cluster it runs in.
type Target struct {
	Kubeconfig string // path
	Context    string // of the kubeconfig; empty: its current one
	// Limit is how long one request may take; zero for no limit.
	Limit time.Duration
}

// Pod is what of a workload decides which secrets it pulls with.
type Pod struct {
	Namespace      string // empty: the one of the kubeconfig's context
	ServiceAccount string // empty: default
	Secrets        []string
}

// Config is a docker configuration out of a Secret, as JSON: {"auths": {…}}.
type Config struct {
	Secret string // namespace/name
	JSON   []byte
}

// Reader reads from one cluster. Its methods may be called at the same time.
type Reader struct {
	client    *http.Client
	base      *url.URL
	namespace string

	objects sync.Map // path: func() ([]byte, error)
	mu      sync.Mutex
	down    error // the cluster cannot be reached; it is not tried again
}

// Open finds the cluster. Requests carry the user agent "sluice-<agent>".
func Open(t Target, agent string) (*Reader, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = t.Kubeconfig
	rules.WarnIfAllMissing = false
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: t.Context})
	config, err := loader.ClientConfig()
	if clientcmd.IsEmptyConfig(err) || errors.Is(err, rest.ErrNotInCluster) {
		return nil, errors.New("finding a cluster: no kubeconfig, and this is no pod")
	}
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	r := &Reader{}
	if r.namespace, _, err = loader.Namespace(); err != nil {
		return nil, fmt.Errorf("reading the kubeconfig's namespace: %w", err)
	}
	config.UserAgent, config.Timeout = "sluice-"+agent, t.Limit
	if r.client, err = rest.HTTPClientFor(config); err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	// The token would go along.
	r.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if r.base, _, err = rest.DefaultServerUrlFor(config); err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	return r, nil
}

// Configs gives what a pod pulls with, the weakest first: the secrets of its service account, and then
// its own. The problems, each an [*Error] about one object, leave out that object only.
func (r *Reader) Configs(ctx context.Context, pod Pod) (configs []Config, problems []*Error) {
	if pod.Namespace == "" {
		pod.Namespace = r.namespace
	}
	if pod.ServiceAccount == "" {
		pod.ServiceAccount = "default"
	}
	names, err := r.ofAccount(ctx, pod.Namespace, pod.ServiceAccount)
	if err != nil {
		problems = append(problems, &Error{pod.Namespace, "service account " + pod.ServiceAccount, err})
	}
	for _, name := range append(names, pod.Secrets...) {
		config, err := r.secret(ctx, pod.Namespace, name)
		if err != nil {
			problems = append(problems, &Error{pod.Namespace, "secret " + name, err})
			continue
		}
		configs = append(configs, config)
	}
	return configs, problems
}

func (r *Reader) ofAccount(ctx context.Context, namespace, name string) ([]string, error) {
	body, err := r.get(ctx, namespace, "serviceaccounts", name)
	if err != nil {
		return nil, err
	}
	var account struct {
		ImagePullSecrets []struct {
			Name string `json:"name"`
		} `json:"imagePullSecrets"`
	}
	if err := json.Unmarshal(body, &account); err != nil {
		return nil, errors.New("the answer is no service account")
	}
	var names []string
	for _, secret := range account.ImagePullSecrets {
		names = append(names, secret.Name)
	}
	return names, nil
}

func (r *Reader) secret(ctx context.Context, namespace, name string) (Config, error) {
	config := Config{Secret: namespace + "/" + name}
	body, err := r.get(ctx, namespace, "secrets", name)
	if err != nil {
		return config, err
	}
	config.JSON, err = parse(body)
	return config, err
}

// parse brings both types of pull secrets to the form of a config.json.
func parse(body []byte) ([]byte, error) {
	var secret struct {
		Type string            `json:"type"`
		Data map[string][]byte `json:"data"`
	}
	if err := json.Unmarshal(body, &secret); err != nil {
		return nil, errors.New("the answer is no secret")
	}
	switch secret.Type {
	case "kubernetes.io/dockerconfigjson":
		return secret.Data[".dockerconfigjson"], nil
	case "kubernetes.io/dockercfg":
		text := secret.Data[".dockercfg"]
		if !json.Valid(text) {
			return nil, errors.New("its .dockercfg is no JSON")
		}
		return append(append([]byte(`{"auths":`), text...), '}'), nil
	}
	return nil, fmt.Errorf("its type is %q, and not kubernetes.io/dockerconfigjson or kubernetes.io/dockercfg", secret.Type)
}

// maxObject is the most that an object can be, in bytes.
const maxObject = 4 << 20

// plainName is what can be a name: a path of the API is made of it.
var plainName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`)

// get reads one object, the first time.
func (r *Reader) get(ctx context.Context, namespace, resource, name string) ([]byte, error) {
	if !plainName.MatchString(namespace) || !plainName.MatchString(name) {
		return nil, errors.New("this is no name")
	}
	at := r.base.JoinPath("api", "v1", "namespaces", namespace, resource, name)
	body, _ := r.objects.LoadOrStore(at.Path, sync.OnceValues(func() ([]byte, error) { return r.fetch(ctx, at) }))
	return body.(func() ([]byte, error))()
}

func (r *Reader) fetch(ctx context.Context, at *url.URL) ([]byte, error) {
	r.mu.Lock()
	down := r.down
	r.mu.Unlock()
	if down != nil {
		return nil, down
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json")
	answer, err := r.client.Do(request)
	if err != nil {
		err = &unreachable{bare(err)}
		r.mu.Lock()
		r.down = err
		r.mu.Unlock()
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, refused(answer.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxObject))
	if err != nil {
		return nil, errors.New("the answer was cut short")
	}
	return body, nil
}
