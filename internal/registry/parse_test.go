package registry

import (
	"net/url"
	"testing"
)

func TestNextLink(t *testing.T) {
	for _, test := range []struct {
		links []string
		want  string
		bad   bool
	}{
		{nil, "", false},
		{[]string{`</v2/a/tags/list?last=x&n=100>; rel="next"`}, "/v2/a/tags/list?last=x&n=100", false},
		{[]string{`</a>;rel=next`}, "/a", false},
		{[]string{`</a> ; title="x, y" ; Rel="prev next"`}, "/a", false},
		{[]string{`</first>; rel="first", </a>; rel="next"`}, "/a", false},
		{[]string{`</first>; rel=first, </a>; rel=next, </z>; rel=last`}, "/a", false},
		{[]string{`</first>; rel="first"`, `</a>; rel="next"`}, "/a", false},
		{[]string{`</first>; rel="first"`}, "", false},
		{[]string{`</a>`}, "", false},
		{[]string{`/a; rel="next"`}, "", true},
		{[]string{`</a; rel="next"`}, "", true},
		{[]string{`</first>; rel="first" a; rel="next"`}, "", true},
	} {
		got, err := nextLink(test.links)
		if got != test.want || (err != nil) != test.bad {
			t.Errorf("nextLink(%q) = %q, %v", test.links, got, err)
		}
	}
}

func TestNextPage(t *testing.T) {
	page, _ := url.Parse("https://registry.example/v2/a/tags/list?n=1000")
	for target, want := range map[string]string{
		"/v2/a/tags/list?last=x":        "https://registry.example/v2/a/tags/list?last=x",
		"list?last=x":                   "https://registry.example/v2/a/tags/list?last=x",
		"?last=x":                       "https://registry.example/v2/a/tags/list?last=x",
		"https://registry.example/v2/x": "https://registry.example/v2/x",
		"http://user:pw@registry.example:80/v2/x#y":       "https://registry.example/v2/x",
		"https://REGISTRY.example:443/v2/x":               "https://registry.example/v2/x",
		"https://registry.example:5000/v2/x":              "",
		"//evil.example/v2/x":                             "",
		"https://registry.example@evil.example/v2/x":      "",
		"https://registry.example.evil.example/v2/a?n=10": "",
		"file:///etc/passwd":                              "",
		"http://[::1/":                                    "",
	} {
		got, err := nextPage(page, []string{"<" + target + `>; rel="next"`})
		if want == "" {
			if err == nil {
				t.Errorf("%s leads to %s", target, got)
			}
			continue
		}
		if err != nil || got.String() != want {
			t.Errorf("%s leads to %v, %v; want %s", target, got, err, want)
		}
	}
}

func TestParsePlatform(t *testing.T) {
	for text, want := range map[string]Platform{"linux/amd64": {"linux", "amd64", ""}, "linux/arm64/v8": {"linux", "arm64", "v8"}} {
		if got, err := ParsePlatform(text); got != want || err != nil || got.String() != text {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "linux", "/amd64", "linux/", "linux/arm/", "a/b/c/d"} {
		if got, err := ParsePlatform(text); err == nil {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

func TestParseDockerConfig(t *testing.T) {
	c, err := ParseDockerConfig([]byte(`{"auths":{
		"https://index.docker.io/v1/": {"auth":"aHViOnB3"},
		"quay.io": {"username":"u","password":"p"},
		"quay.io/team": {"auth":"dGVhbTpwOnc="},
		"HTTPS://Ghcr.io/v2/": {"identitytoken":"t"},
		"localhost:5000": {},
		"bad.example": {"auth":"bm9jb2xvbg=="}
	}}`))
	if err != nil {
		t.Fatal(err)
	}
	for repository, want := range map[string]string{
		"index.docker.io/library/alpine": "hub pw ",
		"quay.io/other":                  "u p ",
		"quay.io/team/a/b":               "team p:w ",
		"quay.io/teams":                  "u p ",
		"ghcr.io/a":                      "  t",
		"localhost:5000/a":               "none",
		"localhost/a":                    "none",
		"bad.example/a":                  `its "auth" is not user:password`,
	} {
		got := "none"
		entry, _ := c.entry(repository)
		if config, err := entry.config(); err != nil {
			got = err.Error()
		} else if config != nil {
			got = config.Username + " " + config.Password + " " + config.IdentityToken
		}
		if got != want {
			t.Errorf("%s: %q, want %q", repository, got, want)
		}
	}
	for _, text := range []string{"", "[]", `{"auths":[]}`, `{"auths":{"a":{"auth":1}}}`} {
		if _, err := ParseDockerConfig([]byte(text)); err == nil {
			t.Errorf("%q was read", text)
		}
	}
	if _, err := ReadDockerConfig("does/not/exist"); err == nil {
		t.Error("a file that does not exist was read")
	}
}

func FuzzAnswers(f *testing.F) {
	f.Add([]byte(`{"name":"a","tags":["1","2"]}`), `</v2/a/tags/list?last=x&n=100>; rel="next"`)
	f.Add([]byte(`{"tags":null}`), `</first>; rel=first, </a>; title="x, y"; rel="prev next"`)
	f.Add([]byte(`{"auths":{"https://index.docker.io/v1/":{"auth":"aHViOnB3"}}}`), `<http://x/>;;;,`)
	page, _ := url.Parse("https://registry.example/v2/a/tags/list?n=1000")
	f.Fuzz(func(t *testing.T, body []byte, link string) {
		_, _ = parsePage(body)
		if c, err := ParseDockerConfig(body); err == nil {
			entry, _ := c.entry("index.docker.io/library/a")
			_, _ = entry.config()
			var s secrets
			s.add(entry.secrets()...)
			s.scrub(link)
		}
		if c, err := ParsePullSecret(body); err == nil {
			c.entry("index.docker.io/library/a")
		}
		next, err := nextPage(page, []string{link})
		if err == nil && next != nil && (next.Host != page.Host || next.Scheme != "https" || next.User != nil) {
			t.Fatalf("%q leads to %s", link, next)
		}
	})
}
