package yamledit

import (
	"testing"

	yamlv3 "gopkg.in/yaml.v3"
	yaml11 "sigs.k8s.io/yaml"
)

func TestStaysPlain(t *testing.T) {
	for value, want := range map[string]bool{
		"q.io/r/a:1.2.3": true, "a:1": true, "1.2.3": true, "1.2.3-rc.1": true, "v1.10": true,
		"0.4.11": true, "dev-abc123": true, "3fa9c0": true, "12abc": true, "2024-01-02-sha": true,
		"registry:5000/a:v1": true, "127.0.0.1:5000/a": true, "a@sha256:00ff": true,
		"1.10": false, "1": false, "007": false, "1_000": false, "0x1F": false, "0o17": false,
		"0b11": false, "1e3": false, "1.5e-3": false, "1:30": false, "1:30:00": false,
		"2024-01-02": false, "2024-01-02T03:04:05Z": false, "on": false, "No": false, "Y": false,
		"true": false, "NULL": false, "": false, "~": false, "-": false, ".5": false, "a:": false,
		"a: b": false, "a #b": false, "*x": false, "{a": false, "ä": false, "@x": false,
	} {
		if got := staysPlain(value); got != want {
			t.Errorf("%q: %v, want %v", value, got, want)
		}
	}
}

// readsBack checks a plain text with the readers that Kubernetes tools use.
func readsBack(t *testing.T, value string) {
	t.Helper()
	for name, unmarshal := range map[string]func([]byte, any) error{
		"yaml.v3":          yamlv3.Unmarshal,
		"sigs.k8s.io/yaml": func(b []byte, v any) error { return yaml11.Unmarshal(b, v) },
	} {
		for _, text := range []string{"[" + value + "]", "- " + value + "\n", "- {x: 1}\n- " + value} {
			var list []any
			if err := unmarshal([]byte(text), &list); err != nil {
				t.Fatalf("%s: %q: %v", name, text, err)
			}
			if got := list[len(list)-1]; got != value {
				t.Fatalf("%s reads %q as %#v", name, text, got)
			}
		}
	}
}

func FuzzStaysPlain(f *testing.F) {
	for _, seed := range []string{"a:1", "1.2.3", "1e3", "0x1F", "1:30", "2024-01-02", "2024-1-2T1", "on", "v1", "1_0.0_0", "0_x", "1._", "1:2:3.4", "0b", "1e", "1e+", "9e_9", "0o8"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		if staysPlain(value) {
			readsBack(t, value)
		}
	})
}
