package registry

import (
	"strings"
	"testing"
)

func TestGlobs(t *testing.T) {
	for _, test := range []struct {
		pattern, name string
		want          bool
	}{
		{"foo/*", "foo", false},
		{"foo/*", "foo/bar", true},
		{"foo/*", "foo/bar/baz", true},
		{"foo", "foo", true},
		{"foo", "foo/bar", false},
		{"*", "", true},
		{"*", "a/b", true},
		{"", "", true},
		{"", "a", false},
		{"*/web", "a/b/web", true},
		{"*/web", "a/b/webs", false},
		{"a*b*c", "abc", true},
		{"a*b*c", "aXbYbZc", true},
		{"a*b*c", "acb", false},
		{"a**", "a", true},
		{"a?c", "abc", false},
		{"[a]", "a", false},
		{"docker.io/library/*", "index.docker.io/library/alpine", true},
		{"docker.iox/*", "index.docker.io/library/alpine", false},
		{"ab*ab", "ab", false},
		{"*aab", "aaaab", true},
	} {
		if test.pattern == "" {
			if glob("", test.name) != test.want {
				t.Errorf("the empty pattern on %q", test.name)
			}
			continue
		}
		globs, err := ParseGlobs([]string{test.pattern})
		if err != nil {
			t.Fatal(err)
		}
		if _, got := globs.Match(test.name); got != test.want {
			t.Errorf("%q on %q: %v", test.pattern, test.name, got)
		}
	}
	for _, bad := range []string{"", " ", "a b"} {
		if _, err := ParseGlobs([]string{bad}); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	if pattern, _ := (Globs{"a/*", "b/*"}).Match("b/c"); pattern != "b/*" {
		t.Error(pattern)
	}
}

func FuzzGlob(f *testing.F) {
	f.Add("a*b*", "aXbY")
	f.Add("**", "")
	f.Fuzz(func(t *testing.T, pattern, name string) {
		if len(pattern) > 12 || len(name) > 24 {
			return
		}
		if got, want := glob(pattern, name), plainGlob(pattern, name); got != want {
			t.Errorf("%q on %q: %v, want %v", pattern, name, got, want)
		}
		if strings.Count(pattern, "*") == 0 && glob(pattern, name) != (pattern == name) {
			t.Errorf("%q on %q", pattern, name)
		}
	})
}

// plainGlob tries everything.
func plainGlob(pattern, name string) bool {
	switch {
	case pattern == "":
		return name == ""
	case pattern[0] == '*':
		return plainGlob(pattern[1:], name) || name != "" && plainGlob(pattern, name[1:])
	}
	return name != "" && pattern[0] == name[0] && plainGlob(pattern[1:], name[1:])
}
