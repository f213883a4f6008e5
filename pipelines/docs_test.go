package pipelines_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var programs = []string{"git-fetch", "scan-tags", "pick-tag", "bump-yaml", "kapply", "helm-reconcile"}

// TestFluxPage: what docs/flux-v1.md names is there, each test and each flag of a program.
func TestFluxPage(t *testing.T) {
	page, err := os.ReadFile("../docs/flux-v1.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := 0
	for _, span := range codeSpans(string(page)) {
		words := strings.Fields(span)
		switch dir, name, isTest := strings.Cut(span, ": "); {
		case slices.Contains(programs, words[0]):
			checkFlags(t, span, words)
		case strings.HasSuffix(span, ".txtar"):
			tests++
			if _, err := os.Stat(filepath.Join("..", span)); err != nil {
				t.Error(err)
			}
		case isTest && strings.HasPrefix(name, "Test"):
			tests++
			checkTest(t, dir, name)
		}
	}
	if tests < 20 {
		t.Errorf("the page names %d tests: is it read as it is written?", tests)
	}
}

// codeSpans are the texts between backquotes, those of fences left out.
func codeSpans(page string) []string {
	var spans []string
	for i, part := range strings.Split(page, "`") {
		if i%2 == 1 && strings.TrimSpace(part) != "" {
			spans = append(spans, strings.ReplaceAll(part, `\|`, "|"))
		}
	}
	return spans
}

var flagName = regexp.MustCompile(`^--[a-z0-9-]+`)

// checkFlags looks for the flags of a span, a pipe perhaps, in the help of their program.
func checkFlags(t *testing.T, span string, words []string) {
	t.Helper()
	help := ""
	for i, word := range words {
		if slices.Contains(programs, word) {
			args := []string{"--help"}
			if next := slices.Concat(words[i+1:], []string{""})[0]; regexp.MustCompile(`^[a-z]+$`).MatchString(next) {
				args = []string{next, "--help"}
			}
			out, err := exec.Command(filepath.Join(bin, word), args...).CombinedOutput()
			if err != nil {
				t.Errorf("%s: %s %v: %v", span, word, args, err)
			}
			help = string(out)
		}
		if name := flagName.FindString(word); name != "" && !regexp.MustCompile(`(?m)^ +`+name+`\b`).MatchString(help) {
			t.Errorf("%s: the program has no flag %s", span, name)
		}
	}
}

// checkTest looks for a Go test of a package, and for its row by the text that the row is named by.
func checkTest(t *testing.T, dir, name string) {
	t.Helper()
	name, row, hasRow := strings.Cut(name, "/")
	files, err := filepath.Glob(filepath.Join("..", dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, body, found := strings.Cut(string(text), "\nfunc "+name+"(t ")
		body, _, _ = strings.Cut(body, "\n}\n")
		if found && (!hasRow || strings.Contains(body, `"`+row+`"`)) {
			return
		}
	}
	t.Errorf("%s has no test %s %s", dir, name, row)
}
