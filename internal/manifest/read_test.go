package manifest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestReadFiles(t *testing.T) {
	named := func(ns, name string) string {
		return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name + ", namespace: " + ns + "}\n"
	}
	texts := []string{
		named("x", "a") + "---\n" + named("x", "b") + "---\nkind: A\n---\n" + named("z", "c"),
		"!gone",
		named("x", "b") + "---\n" + named("z", "b"),
		strings.Replace(named("x", "b"), "v1", "v2", 1),
		strings.Replace(named("x", "b"), "v1", "other/v1", 1),
	}
	var files []File
	for i, text := range texts {
		files = append(files, File{Name: fmt.Sprintf("f%d.yaml", i), Read: func() ([]byte, error) {
			if say, bad := strings.CutPrefix(text, "!"); bad {
				return nil, errors.New(say)
			}
			return []byte(text), nil
		}})
	}
	var got []string
	for _, f := range ReadFiles(files) {
		if f.Object != nil {
			got = append(got, fmt.Sprintf("%s:%d %s", f.File, f.Object.Line, identify(f.Object.JSON)))
		} else {
			got = append(got, fmt.Sprintf("%s:%d !%s %s", f.File, f.Fault.Line, f.Code, f.Fault.Message))
		}
	}
	want := []string{
		"f0.yaml:1 ConfigMap/x/a",
		"f0.yaml:5 !duplicate ConfigMap/x/b is written twice; the other place is f2.yaml:1",
		"f0.yaml:9 !bad-yaml looks like an object but has no apiVersion",
		"f0.yaml:11 ConfigMap/z/c",
		"f1.yaml:0 !bad-file gone",
		"f2.yaml:1 !duplicate ConfigMap/x/b is written twice; the other place is f0.yaml:5",
		"f2.yaml:5 ConfigMap/z/b",
		"f3.yaml:1 !duplicate ConfigMap/x/b is written twice; the other place is f0.yaml:5",
		"f4.yaml:1 ConfigMap.other/x/b",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if got := ReadFiles(nil); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}
