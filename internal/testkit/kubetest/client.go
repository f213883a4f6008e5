package kubetest

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"sigs.k8s.io/yaml"
)

// client speaks to the API server in plain HTTP requests, so that a test does not judge a
// client library by that same library.
type client struct {
	server    string
	token     string
	authority string // file
	http      *http.Client
}

func newClient(kubeconfig string) (*client, error) {
	content, err := os.ReadFile(kubeconfig)
	if err != nil {
		return nil, err
	}
	var config struct {
		Clusters []struct {
			Cluster struct {
				Server    string `json:"server"`
				Authority string `json:"certificate-authority"`
			} `json:"cluster"`
		} `json:"clusters"`
		Users []struct {
			User struct {
				Token string `json:"token"`
			} `json:"user"`
		} `json:"users"`
	}
	if err := yaml.Unmarshal(content, &config); err != nil {
		return nil, err
	}
	if len(config.Clusters) != 1 || len(config.Users) != 1 {
		return nil, fmt.Errorf("reading %s: it is not one that kubebox wrote", kubeconfig)
	}
	c := &client{
		server:    config.Clusters[0].Cluster.Server,
		token:     config.Users[0].User.Token,
		authority: config.Clusters[0].Cluster.Authority,
	}
	pem, err := os.ReadFile(c.authority)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	c.http = &http.Client{Transport: &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: pool},
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: 16,
	}}
	return c, nil
}

// do sends one request and returns the status code and the answer.
func (c *client) do(ctx context.Context, method, path, contentType, agent string, body []byte) (int, []byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.server+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	request.Header.Set("User-Agent", agent)
	request.Header.Set("Accept", "application/json")
	if len(body) > 0 {
		request.Header.Set("Content-Type", contentType)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	return response.StatusCode, answer, err
}

// Object is a Kubernetes object as decoded JSON.
type Object map[string]any

// At walks down string keys; nil where one is missing.
func (o Object) At(keys ...string) any {
	var value any = map[string]any(o)
	for _, key := range keys {
		m, ok := value.(map[string]any)
		if !ok {
			return nil
		}
		value = m[key]
	}
	return value
}

// Do sends a request as the admin. Body is an object in YAML or JSON, empty for none; a PATCH
// is server-side apply when the path names a fieldManager, else a merge patch. An answer
// that is not 2xx is an error that holds the status; a 404 to GET or DELETE is a nil object.
func (c *Cluster) Do(ctx context.Context, method, path, body string) (Object, error) {
	contentType := "application/yaml"
	if method == http.MethodPatch {
		contentType = "application/merge-patch+json"
		if strings.Contains(path, "fieldManager=") {
			contentType = "application/apply-patch+yaml"
		}
	}
	code, answer, err := c.client.do(ctx, method, path, contentType, "kubetest", []byte(body))
	switch {
	case err != nil:
		return nil, err
	case code == http.StatusNotFound && (method == http.MethodGet || method == http.MethodDelete):
		return nil, nil
	case code < 200 || code > 299:
		return nil, fmt.Errorf("%s %s: %d: %s", method, path, code, answer)
	}
	var object Object
	if err := json.Unmarshal(answer, &object); err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	return object, nil
}

// String is the object as indented JSON.
func (o Object) String() string {
	text, err := json.MarshalIndent(o, "", "  ")
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// WriteKubeconfig writes a kubeconfig with every right, whose context has the namespace.
func (c *Cluster) WriteKubeconfig(file, namespace string) error {
	return writeKubeconfig(file, c.client.server, c.client.authority, c.client.token, namespace)
}
