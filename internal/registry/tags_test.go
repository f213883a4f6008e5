package registry

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gitops/sluice/internal/testkit/faultproxy"
)

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
