package kubetest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
)

// Rule is one line of a role.
type Rule struct {
	Groups    []string `json:"apiGroups"` // "" is the core group
	Resources []string `json:"resources"`
	Verbs     []string `json:"verbs"`
	Names     []string `json:"resourceNames,omitempty"`
}

// User is a service account with no rights but these.
type User struct {
	Name      string
	Namespace string // where it lives; also the namespace of its kubeconfig's context
	Rules     []Rule // rights inside the namespace
	Cluster   []Rule // rights everywhere
}

// AddUser makes the user and writes its kubeconfig to the file.
func (c *Cluster) AddUser(ctx context.Context, u User, file string) error {
	role := func(kind, namespace string, rules []Rule) error {
		if len(rules) == 0 {
			return nil
		}
		name := u.Namespace + "-" + u.Name
		text, err := json.Marshal(rules)
		if err != nil {
			return err
		}
		base := "/apis/rbac.authorization.k8s.io/v1" + namespace
		_, err = c.Do(ctx, http.MethodPost, base+"/"+kind+"s", fmt.Sprintf(`{"metadata": {"name": %q}, "rules": %s}`, name, text))
		if err != nil {
			return err
		}
		title := map[string]string{"role": "Role", "clusterrole": "ClusterRole"}[kind]
		_, err = c.Do(ctx, http.MethodPost, base+"/"+kind+"bindings", fmt.Sprintf(
			`{"metadata": {"name": %q}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": %q, "name": %q},
			  "subjects": [{"kind": "ServiceAccount", "name": %q, "namespace": %q}]}`, name, title, name, u.Name, u.Namespace))
		return err
	}
	accounts := "/api/v1/namespaces/" + u.Namespace + "/serviceaccounts"
	if _, err := c.Do(ctx, http.MethodPost, accounts, fmt.Sprintf(`{"metadata": {"name": %q}}`, u.Name)); err != nil {
		return err
	}
	if err := role("role", "/namespaces/"+u.Namespace, u.Rules); err != nil {
		return err
	}
	if err := role("clusterrole", "", u.Cluster); err != nil {
		return err
	}
	answer, err := c.Do(ctx, http.MethodPost, accounts+"/"+u.Name+"/token", `{"spec": {"expirationSeconds": 3600}}`)
	if err != nil {
		return err
	}
	token, _ := answer.At("status", "token").(string)
	return writeKubeconfig(file, c.client.server, c.client.authority, token, u.Namespace)
}

// WriteKubeconfig writes a kubeconfig for a server that is none of ours, without credentials.
func WriteKubeconfig(file, server, namespace string) error {
	return writeKubeconfig(file, server, "", "", namespace)
}

// writeKubeconfig writes a kubeconfig of one context. JSON is YAML.
func writeKubeconfig(file, server, authority, token, namespace string) error {
	cluster := map[string]any{"server": server}
	if authority != "" {
		cluster["certificate-authority"] = authority
	}
	content, err := json.MarshalIndent(map[string]any{
		"apiVersion": "v1", "kind": "Config", "current-context": "kubetest",
		"clusters": []any{map[string]any{"name": "kubetest", "cluster": cluster}},
		"users":    []any{map[string]any{"name": "kubetest", "user": map[string]any{"token": token}}},
		"contexts": []any{map[string]any{"name": "kubetest", "context": map[string]any{
			"cluster": "kubetest", "user": "kubetest", "namespace": namespace}}},
	}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, content, 0o600)
}
