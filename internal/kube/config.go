package kube

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// requestLimit bounds one request and its answer.
const requestLimit = time.Minute

// Target names a cluster. The zero value is what kubectl would take: $KUBECONFIG,
// ~/.kube/config, and inside a pod the cluster it runs in.
type Target struct {
	Kubeconfig string // path
	Context    string // of the kubeconfig; empty: its current one
	// As, where set, is the user in whose name every request is made, AsGroups that user's groups. For a
	// service account (system:serviceaccount:NAMESPACE:NAME) the API server knows the groups.
	As       string
	AsGroups []string
}

// Config is how to reach a cluster.
type Config struct {
	REST *rest.Config
	// Namespace is the context's, in a pod the pod's, else "default".
	Namespace string
}

// Load reads the client configuration. The agent is the program's name: its requests carry the
// user agent "sluice-<agent>".
//
// There is no limit on the rate of requests, for the API server's priority and fairness has a
// better view of what it can bear; it is the number of requests at a time that callers bound.
func Load(t Target, agent string) (*Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = t.Kubeconfig
	rules.WarnIfAllMissing = false
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: t.Context})
	if raw, err := loader.RawConfig(); err == nil && t.Context != "" && raw.Contexts[t.Context] == nil {
		return nil, &Error{Code: "no-cluster", Hint: "kubectl config get-contexts lists those there are", Err: fmt.Errorf("reading the kubeconfig: it has no context %q", t.Context)}
	}
	config, err := loader.ClientConfig()
	switch {
	case clientcmd.IsEmptyConfig(err), errors.Is(err, rest.ErrNotInCluster):
		return nil, &Error{Code: "no-cluster", Hint: "name a kubeconfig by --kubeconfig or KUBECONFIG",
			Err: errors.New("finding a cluster: no kubeconfig, and this is no pod")}
	case errors.Is(err, os.ErrNotExist):
		return nil, &Error{Code: "no-cluster", Hint: "--kubeconfig takes the path of a file", Err: fmt.Errorf("reading the kubeconfig: %w", err)}
	case err != nil:
		return nil, &Error{Code: "no-cluster", Err: fmt.Errorf("reading the kubeconfig: %w", plainly(err))}
	}
	namespace, _, err := loader.Namespace()
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig's namespace: %w", err)
	}
	if t.As != "" {
		config.Impersonate = rest.ImpersonationConfig{UserName: t.As, Groups: t.AsGroups}
	}
	config.QPS = -1
	config.Timeout = requestLimit
	config.UserAgent = "sluice-" + agent
	return &Config{REST: config, Namespace: namespace}, nil
}

var unreadable = regexp.MustCompile(`error loading config file "([^"]*)": (?s:couldn't get version/kind; (?:json parse error: )?|)(.*)`)

// plainly takes the names of Go's types out of what is wrong with a kubeconfig.
func plainly(err error) error {
	if m := unreadable.FindStringSubmatch(err.Error()); m != nil && strings.Contains(m[2], "Go value of type") {
		return fmt.Errorf("%s is not one", m[1])
	}
	return err
}
