package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// Manager is the name under which the API server notes the fields that we own.
const Manager = "sluice"

const (
	plainJSON    = "application/json"
	metadataOnly = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
	metadataList = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
)

// Client talks to an API server in paths and JSON. It knows the kinds that are served from
// discovery, and no Go type for any of them: those would be 20 MB of program.
type Client struct {
	rest     rest.Interface
	http     *http.Client
	skew     atomic.Int64 // the server's clock less ours, in nanoseconds
	requests atomic.Int64
	answered atomic.Bool // it has given a good answer: it is an API server, and was there

	// Note, where set before the first request, is told what is of interest to who looks closely: that a
	// request is sent again, that no events can be written.
	Note func(text string)
}

// NewClient makes a client. The API server's warnings (deprecated versions and the like) go to
// warn, which may be nil.
func NewClient(config *Config, warn func(string)) (*Client, error) {
	c := &Client{}
	settings := dynamic.ConfigFor(config.REST)
	settings.GroupVersion = nil
	settings.APIPath = "/"
	settings.WarningHandler = warnings(warn)
	settings.Wrap(func(next http.RoundTripper) http.RoundTripper { return &observer{next, c} })
	var err error
	if c.http, err = rest.HTTPClientFor(settings); err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	if c.rest, err = rest.UnversionedRESTClientForConfigAndClient(settings, c.http); err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	return c, nil
}

// Requests counts the requests that were sent, repeated ones included.
func (c *Client) Requests() int { return int(c.requests.Load()) }

// observer counts requests and reads the server's clock off its answers: leases are about
// time, and the clocks of two machines differ.
type observer struct {
	next   http.RoundTripper
	client *Client
}

func (o *observer) RoundTrip(request *http.Request) (*http.Response, error) {
	o.client.requests.Add(1)
	response, err := o.next.RoundTrip(request)
	if err == nil {
		if date, err := http.ParseTime(response.Header.Get("Date")); err == nil {
			o.client.skew.Store(int64(time.Until(date)))
		}
	}
	return response, err
}

type warnings func(string)

func (w warnings) HandleWarningHeader(code int, _ string, text string) {
	if w != nil && code == 299 && text != "" {
		w(text)
	}
}

// request is one call of the API.
type request struct {
	method      string
	path        string
	query       url.Values
	accept      string // plainJSON when empty
	contentType string
	body        []byte
}

// once sends a request once; see do.
func (c *Client) once(ctx context.Context, r request, answer any) (code int, err error) {
	call := c.rest.Verb(r.method).AbsPath(r.path).MaxRetries(0)
	for name, values := range r.query {
		for _, value := range values {
			call.Param(name, value)
		}
	}
	if r.accept == "" {
		r.accept = plainJSON
	}
	call.SetHeader("Accept", r.accept)
	if r.body != nil {
		call.Body(r.body)
		call.SetHeader("Content-Type", r.contentType)
	}
	result := call.Do(ctx).StatusCode(&code)
	// Raw would give the error of the transport; Error reads the server's words.
	if err := result.Error(); err != nil || answer == nil {
		return code, err
	}
	body, err := result.Raw()
	if err != nil {
		return code, err
	}
	if err := json.Unmarshal(body, answer); err != nil {
		return code, badAnswer(fmt.Errorf("reading the answer to %s %s: %w", r.method, r.path, err))
	}
	return code, nil
}

// Get reads an object; found is false where there is none.
func (c *Client) Get(ctx context.Context, r *Resource, namespace, name string, into any) (found bool, err error) {
	_, err = c.do(ctx, request{method: http.MethodGet, path: r.path(namespace, name)}, into)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	return err == nil, err
}

// Create makes an object from JSON-ready content, and decodes the answer into into.
func (c *Client) Create(ctx context.Context, r *Resource, namespace string, object, into any) error {
	return c.send(ctx, http.MethodPost, r.path(namespace, ""), object, into)
}

// Update replaces an object. Its resourceVersion, where set, must still be the object's.
func (c *Client) Update(ctx context.Context, r *Resource, namespace, name string, object, into any) error {
	return c.send(ctx, http.MethodPut, r.path(namespace, name), object, into)
}

func (c *Client) send(ctx context.Context, method, path string, object, into any) error {
	body, err := json.Marshal(object)
	if err != nil {
		return err
	}
	_, err = c.do(ctx, request{
		method: method, path: path, contentType: plainJSON, body: body,
		query: url.Values{"fieldManager": {Manager}},
	}, into)
	return err
}

// now is the API server's time, as far as it is known.
func (c *Client) now(local time.Time) time.Time { return local.Add(time.Duration(c.skew.Load())) }

// Resource is a kind of object as one version of its API serves it.
type Resource struct {
	Group, Version, Kind string
	Plural               string
	Namespaced           bool
	Verbs                []string
}

// GroupKind is what its objects are.
func (r *Resource) GroupKind() GroupKind { return GroupKind{r.Group, r.Kind} }

func (r *Resource) path(namespace, name string) string {
	parts := []string{"", "apis", r.Group, r.Version}
	if r.Group == "" {
		parts = []string{"", "api", r.Version}
	}
	if r.Namespaced && namespace != "" {
		parts = append(parts, "namespaces", namespace)
	}
	parts = append(parts, r.Plural)
	if name != "" {
		parts = append(parts, name)
	}
	return strings.Join(parts, "/")
}

// Resources that every cluster serves, for use without discovery.
var (
	configMaps = &Resource{Version: "v1", Kind: "ConfigMap", Plural: "configmaps", Namespaced: true}
	leases     = &Resource{Group: "coordination.k8s.io", Version: "v1", Kind: "Lease", Plural: "leases", Namespaced: true}
)
