package imageref

import (
	"strings"
	"testing"
)

const sha = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func TestParse(t *testing.T) {
	for _, test := range []struct {
		in        string
		want      Ref
		canonical string
	}{
		{"alpine", Ref{Repository: "alpine"}, "index.docker.io/library/alpine"},
		{"library/alpine", Ref{Repository: "library/alpine"}, "index.docker.io/library/alpine"},
		{"docker.io/library/alpine", Ref{Registry: "docker.io", Repository: "library/alpine"}, "index.docker.io/library/alpine"},
		{"docker.io/alpine", Ref{Registry: "docker.io", Repository: "alpine"}, "index.docker.io/library/alpine"},
		{"index.docker.io/alpine", Ref{Registry: "index.docker.io", Repository: "alpine"}, "index.docker.io/library/alpine"},
		{"alpine:mytag", Ref{Repository: "alpine", Tag: "mytag"}, "index.docker.io/library/alpine:mytag"},
		{"weaveworks/helloworld:a-1", Ref{Repository: "weaveworks/helloworld", Tag: "a-1"}, "index.docker.io/weaveworks/helloworld:a-1"},
		{"localhost/hello", Ref{Registry: "localhost", Repository: "hello"}, "localhost/hello"},
		{"localhost:5000/hello:v1.1", Ref{Registry: "localhost:5000", Repository: "hello", Tag: "v1.1"}, "localhost:5000/hello:v1.1"},
		{"mylocalhost/hello", Ref{Repository: "mylocalhost/hello"}, "index.docker.io/mylocalhost/hello"},
		{"registry:5000/a/foo:v1", Ref{Registry: "registry:5000", Repository: "a/foo", Tag: "v1"}, "registry:5000/a/foo:v1"},
		{"registry:5000/foo", Ref{Registry: "registry:5000", Repository: "foo"}, "registry:5000/foo"},
		{"registry:5000/foo:v1", Ref{Registry: "registry:5000", Repository: "foo", Tag: "v1"}, "registry:5000/foo:v1"},
		{"registry:5000", Ref{Repository: "registry", Tag: "5000"}, "index.docker.io/library/registry:5000"},
		{"[::1]:5000/foo:v1", Ref{Registry: "[::1]:5000", Repository: "foo", Tag: "v1"}, "[::1]:5000/foo:v1"},
		{"[2001:db8::1]/foo", Ref{Registry: "[2001:db8::1]", Repository: "foo"}, "[2001:db8::1]/foo"},
		{"Quay.IO/a/b:V1", Ref{Registry: "Quay.IO", Repository: "a/b", Tag: "V1"}, "quay.io/a/b:V1"},
		{"a/b/c", Ref{Repository: "a/b/c"}, "index.docker.io/a/b/c"},
		{"registry-1.docker.io/library/x", Ref{Registry: "registry-1.docker.io", Repository: "library/x"}, "registry-1.docker.io/library/x"},
		{"a/b:1@" + sha, Ref{Repository: "a/b", Tag: "1", Digest: sha}, "index.docker.io/a/b:1@" + sha},
		{"a/b@" + sha, Ref{Repository: "a/b", Digest: sha}, "index.docker.io/a/b@" + sha},
		{"a/b@blake3:00ff", Ref{Repository: "a/b", Digest: "blake3:00ff"}, "index.docker.io/a/b@blake3:00ff"},
		{"a/b_c__d-.-", Ref{}, ""},
		{"a/b_c__d---e.f:_1", Ref{Repository: "a/b_c__d---e.f", Tag: "_1"}, "index.docker.io/a/b_c__d---e.f:_1"},
	} {
		got, err := Parse(test.in)
		if test.canonical == "" {
			if err == nil {
				t.Errorf("Parse(%q) gave %+v, want an error", test.in, got)
			}
			continue
		}
		if err != nil {
			t.Errorf("Parse(%q): %v", test.in, err)
			continue
		}
		if got != test.want {
			t.Errorf("Parse(%q) = %+v, want %+v", test.in, got, test.want)
		}
		if got.String() != test.in {
			t.Errorf("Parse(%q) is written as %q", test.in, got)
		}
		if c := got.Canonical().String(); c != test.canonical {
			t.Errorf("%q is canonically %q, want %q", test.in, c, test.canonical)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for in, want := range map[string]string{
		"":                           "it is empty",
		"/a":                         "empty element",
		"a/":                         "empty element",
		"a//b":                       "empty element",
		"a:":                         "tag is empty",
		":a":                         "empty element",
		"a:1:2":                      `tag holds ':'`,
		"r/a:2:v1":                   `tag holds ':'`,
		"a b":                        "out of place",
		"Alpine":                     "out of place",
		"a/<x>":                      "out of place",
		"{{ .Values.image }}":        "out of place",
		"a..b":                       "out of place",
		"a___b":                      "out of place",
		"a-":                         "ends without",
		"é/a":                        "out of place",
		"a:.x":                       `tag starts with '.'`,
		"a:-x":                       `tag starts with '-'`,
		"a:b+c":                      `tag holds '+'`,
		"a:" + repeat("t", 129):      "more than 128",
		repeat("t", 256):             "more than 255",
		"a@":                         "not algorithm:hex",
		"a@sha256":                   "not algorithm:hex",
		"a@sha256:abc":               "64 digits, this one 3",
		"a@sha256:XYZ":               `digest holds 'X'`,
		"a@SHA256:00":                "algorithm holds",
		"a@" + sha + "@" + sha:       `digest holds '@'`,
		"host:/a":                    "port is empty",
		"host:50x/a":                 `port holds 'x'`,
		"ho_st.io/a":                 `registry's name holds '_'`,
		"-host.io/a":                 "hyphen",
		"host..io/a":                 "empty part",
		"[]:1/a":                     "address is empty",
		"[::z]:1/a":                  `address holds 'z'`,
		"https://registry.io/a":      "port is empty",
		"user:pass@registry.io/a:1":  "digest",
		"169.254.169.254/a\nb":       "out of place",
		"registry.example/a@b/c:1.2": "digest",
	} {
		if ref, err := Parse(in); err == nil {
			t.Errorf("Parse(%q) gave %+v, want an error with %q", in, ref, want)
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%q): %v, want %q", in, err, want)
		}
	}
}

func repeat(s string, n int) string { return strings.Repeat(s, n) }

func TestEqual(t *testing.T) {
	for _, test := range []struct {
		a, b              string
		equal, repository bool
	}{
		{"alpine:1", "docker.io/library/alpine:1", true, true},
		{"alpine:1", "library/alpine:2", false, true},
		{"alpine", "alpine:latest", false, true},
		{"a/b:1", "a/b:1@" + sha, false, true},
		{"quay.io/a/b:1", "a/b:1", false, false},
		{"registry:5000/foo", "registry/foo", false, false},
	} {
		a, b := must(t, test.a), must(t, test.b)
		if Equal(a, b) != test.equal || Equal(b, a) != test.equal {
			t.Errorf("Equal(%s, %s) is not %v", a, b, test.equal)
		}
		if SameRepository(a, b) != test.repository || SameRepository(b, a) != test.repository {
			t.Errorf("SameRepository(%s, %s) is not %v", a, b, test.repository)
		}
	}
}

func TestWithTagKeepsTheSpelling(t *testing.T) {
	if got := must(t, "docker.io/alpine:1@"+sha).WithTag("2").String(); got != "docker.io/alpine:2" {
		t.Errorf("got %s", got)
	}
}

func must(t *testing.T, s string) Ref {
	t.Helper()
	ref, err := Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"alpine", "docker.io/library/alpine:3.20", "registry:5000/foo:v1", "a/b:1@" + sha, "[::1]:5000/a",
		"localhost/a", "a/b_c__d---e.f:_1", "https://x/y", "{{ a }}", "a:1:2", "ho.st:1/a@sha512:00",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ref, err := Parse(s)
		if err != nil {
			return
		}
		if ref.String() != s {
			t.Fatalf("%q is written as %q", s, ref)
		}
		canonical := ref.Canonical()
		again, err := Parse(canonical.String())
		if err != nil {
			t.Fatalf("the canonical form of %q does not parse: %v", s, err)
		}
		if again != canonical || canonical.Canonical() != canonical {
			t.Fatalf("%q: canonical form %+v reads back as %+v", s, canonical, again)
		}
		if !Equal(ref, canonical) || !SameRepository(ref, again) {
			t.Fatalf("%q does not equal its canonical form", s)
		}
	})
}
