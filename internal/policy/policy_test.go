package policy

import (
	"slices"
	"strings"
	"testing"
)

func parsed(t testing.TB, text string) Policy {
	t.Helper()
	p, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestParse(t *testing.T) {
	for _, test := range []struct {
		in, want string
		byTime   bool
	}{
		{"glob:*", "glob:*", true},
		{"dev-*", "glob:dev-*", true},
		{"1.2.3", "glob:1.2.3", true},
		{"semver:~1.2", "semver:~1.2", false},
		{"semver:*", "semver:*", false},
		{"semver:>=1.0, <2 || ^3", "semver:>=1.0, <2 || ^3", false},
		{"regexp:^v", "regexp:^v", true},
		{"regex:^v", "regexp:^v", true},
		{"alphabetical:.*", "alphabetical:.*", false},
		{"numerical:^build-([0-9]+)-", "numerical:^build-([0-9]+)-", false},
	} {
		p := parsed(t, test.in)
		if p.String() != test.want || p.ByTime() != test.byTime || Normal(test.in) != test.want {
			t.Errorf("Parse(%q) = %s, by time %v, normally %s", test.in, p, p.ByTime(), Normal(test.in))
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for in, want := range map[string]string{
		"":                 "pattern is empty",
		"glob:":            "pattern is empty",
		"semvr:~1":         "the kinds of policies are",
		"glob:glob:x":      "no tag holds a colon",
		"semver:":          "empty",
		"semver: ":         "alternative of the constraint is empty",
		"semver:1 ||":      "alternative of the constraint is empty",
		"semver:latest":    "improper constraint",
		"semver:>=1.0 <oo": "improper constraint",
		"semver:1|2":       "constraint",
		"regexp:":          "pattern is empty",
		"regexp:(":         "missing closing )",
		"alphabetical:":    "pattern is empty",
		"alphabetical:(":   "missing closing )",
		"numerical:":       "pattern is empty",
		"numerical:[":      "missing closing ]",
		"regex:(?!dev)":    "invalid or unsupported Perl syntax",
	} {
		if p, err := Parse(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%q) gave %s and %v, want an error with %q", in, p, err, want)
		}
	}
}

func TestMatches(t *testing.T) {
	for _, test := range []struct{ policy, yes, no string }{
		{"glob:*", "a 1.0 v1-x_y", "latest Latest LATEST"},
		{"glob:latest", "latest", "Latest LATEST latest1"},
		{"latest", "latest", "Latest"},
		{"glob:l*t", "let", "latest"},
		{"dev-*", "dev- dev-1 dev-dev-", "dev Dev-1 xdev-1"},
		{"glob:*-rc", "-rc 1-rc", "1-rc2"},
		{"glob:a*b*c", "abc aXbYc abbc", "ab ac acb"},
		{"glob:ab*ba", "abba ab-ba", "aba"},
		{"glob:1.?", "1.?", "1.2"},
		{"glob:[ab]", "[ab]", "a"},
		{"regexp:^v[0-9]+$", "v1 v23", "v1.0 xv1"},
		{"regexp:dev", "a-dev-b", "DEV"},
		{"regexp:.*", "x", "latest LATEST"},
		{"alphabetical:.*", "x 1", "latest LATEST"},
		{"alphabetical:^rel-([a-z]+)$", "rel-buster", "rel- rel-1"},
		{"alphabetical:^a|(b)", "b", "a"},
		{"numerical:.*", "1 0010 99999999999999999999999", "1a v1 1.2 -1"},
		{"numerical:[0-9]+", "build-123-abc 7", "abc"},
		{"numerical:^build-([0-9a-f]+)", "build-123-abc", "build-abc build- 123"},
		{"semver:*", "v1 1 1.2 1.2.3 01.2.3 20200101 1234567", "V1.0.0 1.2.3.4 1.2.3_build latest aaa 1.2.3-rc.1"},
		{"semver:~1", "1 1.9.9 v1.2", "2.0.0 1.2.3-rc.1"},
		{"semver:>1.0", "1.1 2", "1.0.5"},
		{"semver:1.2", "1.2.9", "1.3.0"},
		{"semver:^0.2", "0.2.9", "0.3.0"},
		{"semver:1.2 - 1.4", "1.4.5", "1.5.0"},
		{"semver:~1.2-0", "1.2.3-alpha 1.2.3", "1.3.0"},
		{"semver:>=1.0.0-rc.0, <1.0.1", "1.0.0", "1.0.1"},
		{"semver:>=1.0.0-rc.0, <1.0.1-0", "1.0.0-rc.1 1.0.0", "1.0.1"},
		{"semver:~0.4", "0.4.10 0.4.11", "0.5.0 99999999999999999999.0.0"},
	} {
		p := parsed(t, test.policy)
		for tag := range strings.FieldsSeq(test.yes) {
			if !p.Matches(tag) {
				t.Errorf("%s does not match %s", test.policy, tag)
			}
		}
		for tag := range strings.FieldsSeq(test.no) {
			if p.Matches(tag) {
				t.Errorf("%s matches %s", test.policy, tag)
			}
		}
	}
	if (Policy{}).Matches("x") {
		t.Error("the zero policy matches")
	}
}

func TestStrict(t *testing.T) {
	p := parsed(t, "semver:>=0-0").Strict()
	for tag := range strings.FieldsSeq("1.2.3 v1.2.3 0.0.0 1.2.3-rc.1 v10.20.30-alpha 2020.11.12") {
		if !p.Matches(tag) {
			t.Errorf("strict semver leaves out %s", tag)
		}
	}
	for tag := range strings.FieldsSeq("1 v1 1.2 01.2.3 1.02.3 2020.01.01 20200101 1234567 2020-01-01 vv1.2.3 V1.2.3 1.2.3.4 1.2.3_build 1.2.3-01 latest") {
		if p.Matches(tag) {
			t.Errorf("strict semver takes %s", tag)
		}
	}
	if glob := parsed(t, "glob:1.*").Strict(); !glob.Matches("1.2") || glob.strict {
		t.Error("the strict rules are of no concern to a glob")
	}
}

func TestRanked(t *testing.T) {
	for _, test := range []struct{ policy, tags, want string }{
		{"semver:*", "bbb-not-semver 1.10 aaa-not-semver v1 1.2.30 3 1.10.0 latest 2.0.0-rc.1", "3 1.10.0 1.10 1.2.30 v1"},
		{"semver:>=1-0", "1.0.0-rc.2 1.0.0-rc.10 1.0.0 0.9.0", "1.0.0 1.0.0-rc.10 1.0.0-rc.2"},
		{"semver:*", "1 1.0.0 v1.0.0 1.0", "v1.0.0 1.0.0 1.0 1"},
		{"alphabetical:.*", "b a c B latest", "c b a B"},
		{"alphabetical:^main-(.*)$", "main-2026-01-02T10 main-2026-01-02T09 dev-2026-09-09 main-2026-01-10T00", "main-2026-01-10T00 main-2026-01-02T10 main-2026-01-02T09"},
		{"numerical:^build-([0-9]+)-[0-9a-f]+$", "build-9-abc build-10-def build-123-0 build-x-1 9999", "build-123-0 build-10-def build-9-abc"},
		{"numerical:.*", "9 10 0010 18446744073709551616 18446744073709551615 0", "18446744073709551616 18446744073709551615 10 0010 9 0"},
		{"numerical:^([0-9]+)-", "1-a 1-b 2-a", "2-a 1-b 1-a"},
		{"glob:*", "a b", ""},
		{"regexp:.*", "a b", ""},
	} {
		tags := strings.Fields(test.tags)
		if got := strings.Join(parsed(t, test.policy).Ranked(tags), " "); got != test.want {
			t.Errorf("%s ranks %q, want %q", test.policy, got, test.want)
		}
		slices.Reverse(tags)
		if got := strings.Join(parsed(t, test.policy).Ranked(tags), " "); got != test.want {
			t.Errorf("%s, the other way round, ranks %q", test.policy, got)
		}
	}
}

// glob matching by trying everything, to compare with.
func slowGlob(pattern, tag string) bool {
	if pattern == "" {
		return tag == ""
	}
	if pattern[0] == '*' {
		return slowGlob(pattern[1:], tag) || tag != "" && slowGlob(pattern, tag[1:])
	}
	return tag != "" && tag[0] == pattern[0] && slowGlob(pattern[1:], tag[1:])
}

// FuzzPolicy: a policy that parses spells itself so that it parses again and matches the same.
func FuzzPolicy(f *testing.F) {
	for _, seed := range []string{"glob:*", "dev-*", "glob:a*b*c", "semver:~1.2", "semver:>=1.0, <2 || ^3", "regexp:^v[0-9]+$", "regex:a|b", "semver:1|2", "semver:", "x:y", "alphabetical:^r-(.*)$", "numerical:^b-([0-9]+)"} {
		f.Add(seed, "v1.2.3")
		f.Add(seed, "dev-abc")
	}
	f.Fuzz(func(t *testing.T, text, tag string) {
		p, err := Parse(text)
		if err != nil {
			return
		}
		if p.String() != Normal(text) {
			t.Fatalf("%q is %q and normally %q", text, p, Normal(text))
		}
		again, err := Parse(p.String())
		if err != nil {
			t.Fatalf("%q parses, its form %q does not: %v", text, p, err)
		}
		if p.Matches(tag) != again.Matches(tag) {
			t.Fatalf("%q and its form %q differ on %q", text, p, tag)
		}
		if p.kind == kindGlob && strings.Count(p.pattern, "*") < 5 && len(tag) < 40 && !strings.EqualFold(tag, "latest") {
			if p.Matches(tag) != slowGlob(p.pattern, tag) {
				t.Fatalf("%s on %q: got %v", p, tag, p.Matches(tag))
			}
		}
		tags := []Tag{{Name: tag, Created: day(1)}, {Name: "1.0.0", Created: day(2)}, {Name: tag + "x", Created: day(2)}, {Name: "z", Fault: "gone"}}
		for _, current := range []string{"", tag, "1.0.0"} {
			choice := p.Choose(tags, current, Options{})
			slices.Reverse(tags)
			if other := p.Choose(tags, current, Options{}); other != choice {
				t.Fatalf("%s: %+v, the other way round %+v", p, choice, other)
			}
		}
	})
}
