// Command bareapply does with nothing but an HTTP client what applying manifests is at the least. It is
// the measure of what an API server can give: no discovery, no order but Namespaces first, no look at
// what comes back.
//
//	bareapply apply OBJECTS        one server-side apply for each object, 16 connections
//	bareapply list LABELS OBJECTS  one listing of each kind, and a comparison
//
// OBJECTS is a file with an object a line, in JSON. KUBECONFIG is one with a token, in JSON.
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"sync"
	"time"
)

const connections = 16

// object is what is read of one, and all of it.
type object struct {
	APIVersion, Kind string
	Metadata         struct{ Name, Namespace string }
	text             []byte
}

// resources are the paths of the kinds, below an API's.
var resources = map[string]struct{ api, name string }{
	"Namespace":      {"/api/v1", "namespaces"},
	"ConfigMap":      {"/api/v1", "configmaps"},
	"Secret":         {"/api/v1", "secrets"},
	"Service":        {"/api/v1", "services"},
	"ServiceAccount": {"/api/v1", "serviceaccounts"},
	"Deployment":     {"/apis/apps/v1", "deployments"},
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bareapply:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	c, err := newClient(os.Getenv("KUBECONFIG"))
	if err != nil {
		return err
	}
	switch {
	case len(args) == 2 && args[0] == "apply":
		objects, err := read(args[1])
		if err != nil {
			return err
		}
		return c.applyAll(objects)
	case len(args) == 3 && args[0] == "list":
		objects, err := read(args[2])
		if err != nil {
			return err
		}
		return c.compare(objects, args[1])
	}
	return fmt.Errorf("usage: bareapply apply OBJECTS, or bareapply list LABELS OBJECTS")
}

func read(file string) ([]object, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var objects []object
	for line := range bytes.Lines(text) {
		o := object{text: line}
		if err := json.Unmarshal(line, &o); err != nil {
			return nil, err
		}
		objects = append(objects, o)
	}
	return objects, nil
}

type client struct {
	server, token string
	http          *http.Client
}

func newClient(kubeconfig string) (*client, error) {
	text, err := os.ReadFile(kubeconfig)
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
	if err := json.Unmarshal(text, &config); err != nil {
		return nil, err
	}
	authority, err := os.ReadFile(config.Clusters[0].Cluster.Authority)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authority)
	return &client{server: config.Clusters[0].Cluster.Server, token: config.Users[0].User.Token, http: &http.Client{
		Timeout: time.Minute,
		Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: pool},
			MaxConnsPerHost: connections, MaxIdleConnsPerHost: connections,
		},
	}}, nil
}

// applyAll applies Namespaces, then the rest.
func (c *client) applyAll(objects []object) error {
	for _, namespaces := range []bool{true, false} {
		next := make(chan object)
		errs := make([]error, connections)
		var workers sync.WaitGroup
		for i := range connections {
			workers.Go(func() {
				for o := range next {
					if err := c.apply(o); err != nil {
						errs[i] = err
					}
				}
			})
		}
		for _, o := range objects {
			if (o.Kind == "Namespace") == namespaces {
				next <- o
			}
		}
		close(next)
		workers.Wait()
		for _, err := range errs {
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *client) apply(o object) error {
	resource := resources[o.Kind]
	path := resource.api
	if o.Metadata.Namespace != "" {
		path += "/namespaces/" + o.Metadata.Namespace
	}
	return c.do(http.MethodPatch, path+"/"+resource.name+"/"+o.Metadata.Name+"?force=true&fieldManager=bareapply", o.text, nil)
}

// compare says how many objects are missing or hold something else than what is wanted. A value that
// the API server keeps in another notation counts as something else.
func (c *client) compare(objects []object, labels string) error {
	live := map[string]map[string]any{}
	kinds := map[string]bool{}
	for _, o := range objects {
		if kinds[o.Kind] {
			continue
		}
		kinds[o.Kind] = true
		var list struct{ Items []map[string]any }
		resource := resources[o.Kind]
		err := c.do(http.MethodGet, resource.api+"/"+resource.name+"?labelSelector="+url.QueryEscape(labels), nil, &list)
		if err != nil {
			return err
		}
		for _, item := range list.Items {
			metadata, _ := item["metadata"].(map[string]any)
			live[fmt.Sprint(o.Kind, " ", metadata["namespace"], " ", metadata["name"])] = item
		}
	}
	missing, other := 0, 0
	for _, o := range objects {
		var want map[string]any
		if err := json.Unmarshal(o.text, &want); err != nil {
			return err
		}
		delete(want, "apiVersion") // items of a list have none
		delete(want, "kind")
		metadata, _ := want["metadata"].(map[string]any)
		item, found := live[fmt.Sprint(o.Kind, " ", metadata["namespace"], " ", metadata["name"])]
		switch {
		case !found:
			missing++
		case !holds(item, want):
			other++
		}
	}
	fmt.Println(missing, "missing,", other, "other")
	return nil
}

// holds says whether all that is wanted is there.
func holds(live, want any) bool {
	switch want := want.(type) {
	case map[string]any:
		is, _ := live.(map[string]any)
		for key, value := range want {
			if !holds(is[key], value) {
				return false
			}
		}
		return true
	case []any:
		is, _ := live.([]any)
		for i, value := range want {
			if i >= len(is) || !holds(is[i], value) {
				return false
			}
		}
		return len(is) == len(want)
	}
	return live == want
}

func (c *client) do(method, path string, body []byte, into any) error {
	request, err := http.NewRequest(method, c.server+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	request.Header.Set("User-Agent", "bareapply")
	request.Header.Set("Accept", "application/json")
	if method == http.MethodPatch {
		request.Header.Set("Content-Type", "application/apply-patch+yaml")
	}
	response, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode > 299 {
		answer, _ := io.ReadAll(response.Body)
		return fmt.Errorf("%s %s: %s: %s", method, path, response.Status, answer)
	}
	if into == nil {
		_, err = io.Copy(io.Discard, response.Body)
		return err
	}
	return json.NewDecoder(response.Body).Decode(into)
}
