package registry

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gitops/sluice/internal/imageref"
	"github.com/sluice-gitops/sluice/internal/testkit/faultproxy"
	"github.com/sluice-gitops/sluice/internal/testkit/registrytest"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// world is a network with a registry at registry.example, behind a proxy that can spoil requests.
type world struct {
	*faultproxy.Proxy
	registry *registrytest.Registry
	address  *url.URL
	slept    []time.Duration
}

func newWorld(t *testing.T) *world {
	t.Helper()
	registry, err := registrytest.NewPaged(100)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(registry.Close)
	w := &world{Proxy: faultproxy.New(), registry: registry}
	w.Handle("registry.example", registry)
	address, err := w.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	if w.address, err = url.Parse(address); err != nil {
		t.Fatal(err)
	}
	return w
}

// client asks through the proxy, and sleeps without waiting.
func (w *world) client(change func(*Options)) *Client {
	now := noon
	options := Options{
		RPS: 1e6, Burst: 1e6, Parallel: 4, RequestTimeout: 20 * time.Second, Insecure: []string{"registry.example", "auth.example"},
		Transport: &http.Transport{Proxy: http.ProxyURL(w.address)},
		Now:       func() time.Time { return now },
		Sleep: func(ctx context.Context, d time.Duration) error {
			now = now.Add(d)
			w.slept = append(w.slept, d)
			return ctx.Err()
		},
	}
	if change != nil {
		change(&options)
	}
	return New(options)
}

// asked are the plain requests, without the attempts to speak TLS.
func (w *world) asked() []string {
	return slices.DeleteFunc(w.Requests(), func(r string) bool { return strings.HasPrefix(r, "CONNECT") })
}

func (w *world) push(t *testing.T, repository, tag string, created time.Time, more ...string) string {
	t.Helper()
	digest, err := w.registry.Push(repository, tag, created, more...)
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

func ref(t testing.TB, s string) imageref.Ref {
	t.Helper()
	r, err := imageref.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func numbered(n int) []string {
	var tags []string
	for i := range n {
		tags = append(tags, fmt.Sprintf("t%04d", i))
	}
	return tags
}

func wantFault(t *testing.T, err error, fault Fault, text string) {
	t.Helper()
	if e := known(err); e == nil || e.Fault != fault {
		t.Errorf("got %v, want fault %s", err, fault)
	} else if !strings.Contains(err.Error(), text) {
		t.Errorf("got %q, want it to say %q", err, text)
	}
}

func TestTagsOfAllPages(t *testing.T) {
	w := newWorld(t)
	tags := numbered(250)
	w.push(t, "team/app", "t0000", noon, tags...)
	c := w.client(nil)
	got, err := c.Tags(t.Context(), ref(t, "registry.example/team/app:t0001"))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, tags) {
		t.Errorf("got %d tags: %v", len(got), got)
	}
	want := []string{
		"GET http://registry.example/v2/",
		"GET http://registry.example/v2/team/app/tags/list?n=1000",
		"GET http://registry.example/v2/team/app/tags/list?last=t0099&n=100",
		"GET http://registry.example/v2/team/app/tags/list?last=t0199&n=100",
	}
	if !slices.Equal(w.asked(), want) {
		t.Errorf("requests %v, want %v", w.asked(), want)
	}
	// A second repository of the same host needs no second handshake.
	w.push(t, "team/other", "1", noon)
	w.Forget()
	if _, err := c.Tags(t.Context(), ref(t, "registry.example/team/other")); err != nil {
		t.Fatal(err)
	}
	if want := []string{"GET http://registry.example/v2/team/other/tags/list?n=1000"}; !slices.Equal(w.asked(), want) {
		t.Errorf("requests %v, want %v", w.asked(), want)
	}
}

// SAFETY 16: a list of which a page is missing is no list.
func TestSafety16ListIsWholeOrAnError(t *testing.T) {
	second := `GET .*/tags/list\?last=`
	for _, test := range []struct {
		name  string
		fault faultproxy.Fault
		want  Fault
		text  string
	}{
		{"page 2 is a 500", faultproxy.Fault{Match: second, Status: 500}, ServerFault, "the registry answers 500 Internal Server Error"},
		{"page 2 is a 404", faultproxy.Fault{Match: second, Status: 404}, NotFound, "404"},
		{"page 2 is cut", faultproxy.Fault{Match: second, Cut: true, CutAfter: 40}, Malformed, "the answer was cut short"},
		{"page 2 never comes", faultproxy.Fault{Match: second, Drop: true}, Malformed, "the answer was cut short"},
		{"page 1 is half a page", faultproxy.Fault{Match: "/tags/list", Status: 200, Body: `{"name":"team/app","tags":["t0000","t00`}, Malformed, "half of one"},
		{"page 1 is no list", faultproxy.Fault{Match: "/tags/list", Status: 200, Body: `{"errors":[]}`}, Malformed, "holds no tag list"},
		{"page 1 is a login page", faultproxy.Fault{Match: "/tags/list", Status: 200, Body: `<html>`}, Malformed, "no tag list"},
		{"page 1 is a list of numbers", faultproxy.Fault{Match: "/tags/list", Status: 200, Body: `{"tags":[1]}`}, Malformed, "no tag list"},
		{"page 2 is page 2 again", faultproxy.Fault{Match: second, Status: 200, Body: `{"tags":["a"]}`,
			Header: http.Header{"Link": {`</v2/team/app/tags/list?last=t0099&n=100>; rel="next"`}}}, Malformed, "no end"},
		{"a link that cannot be read", faultproxy.Fault{Match: "/tags/list", Status: 200, Body: `{"tags":["a"]}`,
			Header: http.Header{"Link": {`/v2/next; rel="next"`}}}, Malformed, "cannot be read"},
		{"a page on another host", faultproxy.Fault{Match: "/tags/list", Status: 200, Body: `{"tags":["a"]}`,
			Header: http.Header{"Link": {`<http://evil.example/v2/x>; rel="next"`}}}, Refused, "the next page of the list is on evil.example"},
		{"a redirect to another host", faultproxy.Fault{Match: "/tags/list", Status: 307,
			Header: http.Header{"Location": {`http://evil.example/v2/x`}}}, Refused, "redirects to evil.example"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			w.push(t, "team/app", "t0000", noon, numbered(150)...)
			w.Inject(test.fault)
			tags, err := w.client(nil).Tags(t.Context(), ref(t, "registry.example/team/app"))
			wantFault(t, err, test.want, test.text)
			if tags != nil {
				t.Errorf("a part of the list was given: %d tags", len(tags))
			}
			for _, request := range w.Requests() {
				if strings.Contains(request, "evil.example") {
					t.Errorf("the other host was asked: %s", request)
				}
			}
		})
	}
}

func TestStatus(t *testing.T) {
	for status, want := range map[int]Fault{401: Unauthorized, 403: Denied, 404: NotFound, 429: RateLimited, 500: ServerFault, 502: ServerFault, 418: Unexpected} {
		w := newWorld(t)
		w.Inject(faultproxy.Fault{Match: "/tags/list", Status: status, Body: `{"errors":[{"code":"X","message":"in\nits own words"}]}`})
		_, err := w.client(nil).Tags(t.Context(), ref(t, "registry.example/a"))
		wantFault(t, err, want, fmt.Sprintf("listing the tags of registry.example/a: the registry answers %d %s: in its own words", status, http.StatusText(status)))
	}
}

func TestEmptyList(t *testing.T) {
	w := newWorld(t)
	w.Inject(faultproxy.Fault{Match: "/tags/list", Status: 200, Body: `{"name":"a","tags":null}`})
	if tags, err := w.client(nil).Tags(t.Context(), ref(t, "registry.example/a")); err != nil || len(tags) != 0 {
		t.Errorf("got %v and %v", tags, err)
	}
}

func TestRetryAfterIsHonouredWithinReason(t *testing.T) {
	for _, test := range []struct {
		name   string
		faults []faultproxy.Fault
		slept  string
		want   Fault
	}{
		{"seconds", []faultproxy.Fault{{Nth: 1, Status: 429, Header: http.Header{"Retry-After": {"7"}}}}, "[7s]", ""},
		{"a date", []faultproxy.Fault{{Nth: 1, Status: 503, Header: http.Header{"Retry-After": {noon.Add(9 * time.Second).Format(http.TimeFormat)}}}}, "[9s]", ""},
		{"too long", []faultproxy.Fault{{Status: 429, Header: http.Header{"Retry-After": {"3600"}}}}, "[]", RateLimited},
		{"none", []faultproxy.Fault{{Nth: 1, Status: 429}, {Nth: 2, Status: 500}}, "[500ms 1.5s]", ""},
		{"for ever", []faultproxy.Fault{{Status: 429}}, "[500ms 1.5s]", RateLimited},
		{"not for a 404", []faultproxy.Fault{{Status: 404}}, "[]", NotFound},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			w.push(t, "a", "1", noon)
			for _, fault := range test.faults {
				fault.Match = "/tags/list"
				w.Inject(fault)
			}
			_, err := w.client(nil).Tags(t.Context(), ref(t, "registry.example/a"))
			if test.want != "" {
				wantFault(t, err, test.want, "")
			} else if err != nil {
				t.Error(err)
			}
			if got := fmt.Sprint(w.slept); got != test.slept {
				t.Errorf("slept %s, want %s", got, test.slept)
			}
		})
	}
}

func TestRateOfEachHost(t *testing.T) {
	w := newWorld(t)
	w.push(t, "a", "1", noon, numbered(400)...)
	c := w.client(func(o *Options) { o.RPS, o.Burst = 2, 2 })
	if _, err := c.Tags(t.Context(), ref(t, "registry.example/a")); err != nil {
		t.Fatal(err)
	}
	// 6 requests and one attempt to speak TLS, 2 at once, and then one every half second.
	if got := fmt.Sprint(w.slept); got != "[500ms 500ms 500ms 500ms 500ms]" {
		t.Errorf("slept %s in %d requests", got, len(w.Requests()))
	}
}

func TestImages(t *testing.T) {
	w := newWorld(t)
	first := w.push(t, "a", "1", noon)
	index, err := w.registry.PushIndex("a", "2", noon.Add(time.Hour), "linux/arm64/v8", "linux/amd64")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.registry.PushIndex("a", "arm", noon, "linux/arm64/v8"); err != nil {
		t.Fatal(err)
	}
	w.push(t, "a", "never", time.Time{})
	c := w.client(nil)
	images := c.Images(t.Context(), ref(t, "registry.example/a"), []string{"1", "2", "arm", "never", "absent"})
	if i := images[0]; i.Digest != first || !i.Created.Equal(noon) || i.Created.Location() != time.UTC || i.Err != nil {
		t.Errorf("image: %+v", i)
	}
	if i := images[1]; i.Digest != index || !i.Created.Equal(noon.Add(time.Hour)) || i.Err != nil {
		t.Errorf("index: %+v", i)
	}
	wantFault(t, images[2].Err, Unsupported, "no image for linux/amd64 in the index")
	wantFault(t, images[3].Err, Unsupported, "no creation time")
	wantFault(t, images[4].Err, NotFound, "reading registry.example/a:absent: the registry answers 404")
	for _, i := range images[2:] {
		if known(i.Err).Fault.Passing() {
			t.Errorf("%v would pass", i.Err)
		}
	}
	w.Forget()
	w.push(t, "a", "1", noon, "same")
	w.client(nil).Images(t.Context(), ref(t, "registry.example/a"), []string{"1", "same", "2"})
	if got := len(w.asked()); got != 1+2+1+3 {
		t.Errorf("a handshake, an image, a second tag of it and an index cost %d requests, want 1, 2, 1 and 3: %v", got, w.asked())
	}
	arm := w.client(func(o *Options) { o.Platform = Platform{"linux", "arm64", "v8"} })
	if got := arm.Images(t.Context(), ref(t, "registry.example/a"), []string{"arm"})[0]; got.Err != nil {
		t.Error(got.Err)
	}
}

func TestArtifactsAreNoImages(t *testing.T) {
	w := newWorld(t)
	for body, want := range map[string]string{
		`{"mediaType":"application/vnd.x"}`:                                  "no manifest of an image application/vnd.x",
		`{"schemaVersion":1}`:                                                "no manifest of an image",
		`{"config":{"digest":"sha512:00"}}`:                                  "no sha256 digest",
		`{"manifests":[{"digest":"sha256:00","platform":{"os":"unknown"}}]}`: "no image for linux/amd64",
	} {
		w.Clear()
		w.Inject(faultproxy.Fault{Match: "/manifests/", Status: 200, Body: body})
		err := w.client(nil).Images(t.Context(), ref(t, "registry.example/a"), []string{"1"})[0].Err
		wantFault(t, err, Unsupported, want)
	}
}

func TestImagesStopAtAFaultOfTheHost(t *testing.T) {
	w := newWorld(t)
	tags := numbered(60)
	w.push(t, "a", "t0000", noon, tags...)
	w.Inject(faultproxy.Fault{Match: "/manifests/", Status: 429, Header: http.Header{"Retry-After": {"3600"}}})
	images := w.client(nil).Images(t.Context(), ref(t, "registry.example/a"), tags)
	for _, i := range images {
		wantFault(t, i.Err, RateLimited, "429")
	}
	if got := len(w.asked()); got > 10 {
		t.Errorf("%d requests were made to a host that wants none", got)
	}
}

func TestOneFailedImageLeavesTheOthers(t *testing.T) {
	w := newWorld(t)
	tags := numbered(20)
	w.push(t, "a", "t0000", noon, tags...)
	w.Inject(faultproxy.Fault{Match: "/manifests/t0007", Status: 502})
	for _, i := range w.client(nil).Images(t.Context(), ref(t, "registry.example/a"), tags) {
		if i.Tag == "t0007" {
			wantFault(t, i.Err, ServerFault, "502")
		} else if i.Err != nil {
			t.Error(i.Err)
		}
	}
}

func TestContentIsCheckedByItsDigest(t *testing.T) {
	w := newWorld(t)
	w.push(t, "a", "1", noon)
	w.Inject(faultproxy.Fault{Match: "/blobs/", Status: 200, Body: `{"created":"2030-01-01T00:00:00Z"}`})
	wantFault(t, w.client(nil).Images(t.Context(), ref(t, "registry.example/a"), []string{"1"})[0].Err, Malformed, "not what its digest says")
	w.Clear()
	w.Inject(faultproxy.Fault{Match: "/manifests/", Status: 200, Body: `{"config":{"digest":"sha256:00"}}`, Header: http.Header{"Docker-Content-Digest": {"sha256:00"}}})
	wantFault(t, w.client(nil).Images(t.Context(), ref(t, "registry.example/a"), []string{"1"})[0].Err, Malformed, "not what its digest says")
}

func TestHas(t *testing.T) {
	w := newWorld(t)
	w.push(t, "a", "1", noon)
	c := w.client(nil)
	for tag, want := range map[string]bool{"1": true, "2": false} {
		if got, err := c.Has(t.Context(), ref(t, "registry.example/a"), tag); got != want || err != nil {
			t.Errorf("%s: %v, %v", tag, got, err)
		}
	}
	w.Inject(faultproxy.Fault{Match: "/manifests/", Status: 500})
	_, err := c.Has(t.Context(), ref(t, "registry.example/a"), "1")
	wantFault(t, err, ServerFault, "looking for registry.example/a:1")
}

// SAFETY 30: a registry that accepts the connection and stays silent costs one wait for the whole
// host, whatever is asked of it.
func TestSafety30SilentRegistry(t *testing.T) {
	w := newWorld(t)
	w.Inject(faultproxy.Fault{Match: "^GET http://registry.example", Silent: true})
	c := w.client(func(o *Options) { o.RequestTimeout = 300 * time.Millisecond })
	start := time.Now()
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		_, err := c.Tags(t.Context(), ref(t, "registry.example/"+name))
		wantFault(t, err, Silent, "does not answer in time")
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("took %s", took)
	}
	// Silent in the middle of an answer.
	w = newWorld(t)
	w.Handle("registry.example", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/tags/list") {
			rw.Write([]byte(`{"tags":["a"`))
			rw.(http.Flusher).Flush()
			<-r.Context().Done()
		}
	}))
	_, err := w.client(func(o *Options) { o.RequestTimeout = 300 * time.Millisecond }).Tags(t.Context(), ref(t, "registry.example/a"))
	wantFault(t, err, Silent, "does not answer in time")
}

func TestCancelled(t *testing.T) {
	w := newWorld(t)
	w.Inject(faultproxy.Fault{Match: "^GET", Silent: true})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := w.client(nil).Tags(ctx, ref(t, "registry.example/a"))
	wantFault(t, err, Silent, "")
}

func TestUnreachable(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	c := New(Options{RPS: 100, Burst: 10, Insecure: []string{"127.0.0.1"}})
	_, err = c.Tags(t.Context(), ref(t, address+"/a"))
	wantFault(t, err, Unreachable, "connection refused")
}

func TestLinkLocalIsRefused(t *testing.T) {
	for _, host := range []string{"169.254.169.254", "[fe80::1]:5000", "[fd00:ec2::254]", "[::ffff:169.254.1.1]"} {
		c := New(Options{RPS: 100, Burst: 10, Insecure: []string{host}})
		_, err := c.Tags(t.Context(), ref(t, host+"/a"))
		wantFault(t, err, Refused, "link-local")
	}
}

// tlsWorld answers https for any host name with one handler.
func tlsWorld(t *testing.T, handler http.Handler) *http.Transport {
	t.Helper()
	server := httptest.NewTLSServer(handler)
	t.Cleanup(server.Close)
	transport := server.Client().Transport.(*http.Transport).Clone()
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, server.Listener.Addr().String())
	}
	return transport
}

// The library's own pagination fails here: a registry on a local name that speaks TLS, behind a
// proxy, and links to http.
func TestPagesOverTLSOnLocalNames(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Query().Get("last") == "b":
			fmt.Fprint(w, `{"tags":["c"]}`)
		case r.URL.Path != "/v2/":
			w.Header().Set("Link", `<http://`+r.Host+`/v2/a/tags/list?last=b>; rel="next"`)
			fmt.Fprint(w, `{"tags":["b","a"]}`)
		}
	})
	for _, host := range []string{"127.0.0.1", "127.0.0.1:5000", "example.com", "registry.local"} {
		transport := tlsWorld(t, handler)
		transport.TLSClientConfig.ServerName = "example.com"
		c := New(Options{RPS: 1000, Burst: 100, Transport: transport})
		tags, err := c.Tags(t.Context(), ref(t, host+"/a"))
		if err != nil || strings.Join(tags, "") != "abc" {
			t.Errorf("%s: %v, %v", host, tags, err)
		}
	}
}

func TestUntrustedCertificate(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"tags":["a"]}`)
	}))
	defer server.Close()
	server.Config.ErrorLog = nil
	host := strings.TrimPrefix(server.URL, "https://")
	_, err := New(Options{RPS: 100, Burst: 100}).Tags(t.Context(), ref(t, strings.Replace(host, "127.0.0.1", "127.0.0.2", 1)+"/a"))
	if err == nil {
		t.Error("a certificate for another address was accepted")
	}
	c := New(Options{RPS: 100, Burst: 100, Insecure: []string{host}})
	if tags, err := c.Tags(t.Context(), ref(t, host+"/a")); err != nil || len(tags) != 1 {
		t.Errorf("an insecure host: %v, %v", tags, err)
	}
}

func TestPlainHTTPOnlyWhereAllowed(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	_, err := New(Options{RPS: 100, Burst: 100}).Tags(t.Context(), ref(t, strings.TrimPrefix(server.URL, "http://")+"/a"))
	wantFault(t, err, PlainHTTP, "plain http")
}

// tokenWorld is a registry that wants a token from a service.
func tokenWorld(t *testing.T, realm string) (w *world, seen *[]string) {
	t.Helper()
	w = newWorld(t)
	w.push(t, "team/app", "1", noon)
	seen = &[]string{}
	service := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		*seen = append(*seen, r.Host+" "+r.Header.Get("Authorization")+" "+r.URL.Query().Get("scope"))
		fmt.Fprint(rw, `{"access_token":"t0ken"}`)
	})
	w.Handle("auth.example", service)
	w.Handle("auth.registry.example", service)
	w.Handle("stranger.test", service)
	registry := w.registry
	w.Handle("registry.example", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer t0ken" {
			rw.Header().Set("WWW-Authenticate", `Bearer realm="`+realm+`",service="s"`)
			rw.WriteHeader(http.StatusUnauthorized)
			return
		}
		registry.ServeHTTP(rw, r)
	}))
	return w, seen
}

func docker(t *testing.T, host, user, password string) Credentials {
	t.Helper()
	data, err := json.Marshal(map[string]any{"auths": map[string]any{host: map[string]string{"auth": base64.StdEncoding.EncodeToString([]byte(user + ":" + password))}}})
	if err != nil {
		t.Fatal(err)
	}
	c, err := ParseDockerConfig(data)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestToken(t *testing.T) {
	w, seen := tokenWorld(t, "http://auth.registry.example/token")
	c := w.client(func(o *Options) {
		o.Insecure = append(o.Insecure, "auth.registry.example")
		o.Credentials = docker(t, "registry.example", "user", "s3cret")
	})
	tags, err := c.Tags(t.Context(), ref(t, "registry.example/team/app"))
	if err != nil || len(tags) != 1 {
		t.Fatalf("%v, %v", tags, err)
	}
	if images := c.Images(t.Context(), ref(t, "registry.example/team/app"), tags); images[0].Err != nil {
		t.Error(images[0].Err)
	}
	want := []string{"auth.registry.example Basic " + base64.StdEncoding.EncodeToString([]byte("user:s3cret")) + " repository:team/app:pull"}
	if !slices.Equal(*seen, want) {
		t.Errorf("the token service saw %v, want %v", *seen, want)
	}
}

// SAFETY 26: a token service on a stranger's host gets no credential, by realm or by redirect.
func TestSafety26NoCredentialForAStrangersTokenService(t *testing.T) {
	const secret = "s3cret"
	w, seen := tokenWorld(t, "http://stranger.test/token")
	lenient := func(o *Options) {
		o.Insecure = append(o.Insecure, "stranger.test")
		o.Credentials = docker(t, "registry.example", "user", secret)
	}
	_, err := w.client(lenient).Tags(t.Context(), ref(t, "registry.example/team/app"))
	wantFault(t, err, TokenHost, "the credential for registry.example would go to the token service on stranger.test")
	if len(*seen) != 0 {
		t.Errorf("the stranger saw %v", *seen)
	}
	// Without a credential there is nothing to lose.
	if _, err := w.client(func(o *Options) { o.Insecure = append(o.Insecure, "stranger.test") }).Tags(t.Context(), ref(t, "registry.example/team/app")); err != nil {
		t.Error(err)
	}
	if got := strings.Join(*seen, ""); got != "stranger.test  repository:team/app:pull" {
		t.Errorf("the stranger saw %q", got)
	}
	// With a person's leave it gets it.
	_, err = w.client(func(o *Options) { lenient(o); o.TokenHosts = []string{"stranger.test"} }).Tags(t.Context(), ref(t, "registry.example/team/app"))
	if err != nil || !strings.Contains(strings.Join(*seen, ""), "Basic") {
		t.Errorf("%v, %v", *seen, err)
	}
	// A service that may have it, and redirects.
	w, seen = tokenWorld(t, "http://registry.example:80/token")
	w.Inject(faultproxy.Fault{Match: "registry.example(:80)?/token", Status: 307, Header: http.Header{"Location": {"http://stranger.test/token"}}})
	_, _ = w.client(lenient).Tags(t.Context(), ref(t, "registry.example/team/app"))
	if got := strings.Join(*seen, ""); strings.Contains(got, "Basic") {
		t.Errorf("the stranger saw %q", got)
	}
	// An identity token is sent in the body of a POST.
	identity, err := ParseDockerConfig([]byte(`{"auths":{"registry.example":{"identitytoken":"` + secret + `"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	w.Forget()
	_, err = w.client(func(o *Options) { lenient(o); o.Credentials = identity }).Tags(t.Context(), ref(t, "registry.example/team/app"))
	wantFault(t, err, Refused, "a credential would go to stranger.test")
	for _, request := range w.Requests() {
		if strings.Contains(request, "POST http://stranger.test") {
			t.Errorf("the stranger was sent %s", request)
		}
	}
}

// SAFETY 26: content may be stored elsewhere; the credential does not go there.
func TestSafety26NoCredentialAlongARedirect(t *testing.T) {
	w := newWorld(t)
	w.push(t, "a", "1", noon)
	registry := w.registry
	var seen []string
	w.Handle("storage.test", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Header.Get("Authorization"))
		registry.ServeHTTP(rw, r)
	}))
	w.Handle("registry.example", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Authorization") == "":
			rw.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			rw.WriteHeader(http.StatusUnauthorized)
		case strings.Contains(r.URL.Path, "/blobs/"):
			http.Redirect(rw, r, "http://storage.test"+r.URL.Path+"?signature=abc", http.StatusTemporaryRedirect)
		default:
			registry.ServeHTTP(rw, r)
		}
	}))
	c := w.client(func(o *Options) {
		o.Insecure = append(o.Insecure, "storage.test")
		o.Credentials = docker(t, "registry.example", "user", "s3cret")
	})
	if i := c.Images(t.Context(), ref(t, "registry.example/a"), []string{"1"})[0]; i.Err != nil || !i.Created.Equal(noon) {
		t.Errorf("%+v", i)
	}
	if !slices.Equal(seen, []string{""}) {
		t.Errorf("the storage saw %q", seen)
	}
}

// SAFETY 23: what a registry says back does not carry a secret into a message.
func TestSafety23SecretsAreScrubbedFromMessages(t *testing.T) {
	w := newWorld(t)
	credentials := docker(t, "registry.example", "user", "canary-s3cret")
	auth := base64.StdEncoding.EncodeToString([]byte("user:canary-s3cret"))
	w.Inject(faultproxy.Fault{Match: "/tags/list", Status: 401, Body: `{"errors":[{"message":"bad: canary-s3cret ` + auth + `"}]}`})
	_, err := w.client(func(o *Options) { o.Credentials = credentials }).Tags(t.Context(), ref(t, "registry.example/a"))
	wantFault(t, err, Unauthorized, "bad: *** ***")
	if strings.Contains(err.Error(), "canary") {
		t.Error(err)
	}
	tw, _ := tokenWorld(t, "http://auth.example/token")
	tw.Handle("auth.example", http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { fmt.Fprint(rw, `{"refresh_token":"canary"}`) }))
	_, err = tw.client(nil).Tags(t.Context(), ref(t, "registry.example/team/app"))
	wantFault(t, err, Malformed, "answers without a token")
	if strings.Contains(err.Error(), "canary") {
		t.Error(err)
	}
}

func TestCredentialThatCannotBeUsed(t *testing.T) {
	w := newWorld(t)
	w.push(t, "a", "1", noon)
	credentials, err := ParseDockerConfig([]byte(`{"auths":{"registry.example":{"auth":"###"},"other":{"auth":"dTpw"}},"credHelpers":{"helped.example":"ecr-login"}}`))
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.client(func(o *Options) { o.Credentials = credentials }).Tags(t.Context(), ref(t, "registry.example/a"))
	wantFault(t, err, Credential, "not base64")
	if _, err := credentials.find("helped.example/a"); err == nil || !strings.Contains(err.Error(), "docker-credential-ecr-login") {
		t.Error(err)
	}
}

func TestMayHaveCredential(t *testing.T) {
	c := New(Options{TokenHosts: []string{"sso.test"}})
	for _, test := range []struct {
		registry, realm string
		want            bool
	}{
		{"index.docker.io", "auth.docker.io", true},
		{"registry.gitlab.com", "gitlab.com", true},
		{"registry.gitlab.com", "evil.com", false},
		{"registry.example.com:5000", "gitlab.example.com", true},
		{"registry.example.com:5000", "registry.example.com:5001", true},
		{"quay.io", "quay.io", true},
		{"quay.io", "auth.quay.io", true},
		{"quay.io", "ghcr.io", false},
		{"ghcr.io", "io", false},
		{"localhost:5000", "localhost:5001", true},
		{"registry", "auth", false},
		{"10.0.0.1", "10.0.0.2", false},
		{"10.0.0.1", "10.0.0.1:8443", true},
		{"quay.io", "sso.test", true},
		{"a.example.com", "a.example.com.evil.org", false},
	} {
		if got := c.mayHaveCredential(test.registry, test.realm); got != test.want {
			t.Errorf("%s, %s: %v", test.registry, test.realm, got)
		}
	}
}

func TestErrorsHaveAHost(t *testing.T) {
	w := newWorld(t)
	w.Inject(faultproxy.Fault{Match: "GET .*/v2/", Status: 500})
	_, err := w.client(nil).Tags(t.Context(), ref(t, "registry.example/a"))
	var e *Error
	if !errors.As(err, &e) || e.Host != "registry.example" || e.Fault != ServerFault {
		t.Errorf("%v", err)
	}
}
