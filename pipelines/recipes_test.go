package pipelines_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/cmd/crane/cmd"
	gojq "github.com/itchyny/gojq/cli"
	"github.com/rogpeppe/go-internal/testscript"
)

// tools are what the recipes use besides the six.
var tools = map[string]func(){
	"jq": func() { os.Exit(gojq.Run()) },
	"crane": func() {
		if err := cmd.Root.Execute(); err != nil {
			os.Exit(1)
		}
	},
}

func init() {
	commands["recipe"] = runRecipe
	commands["young"] = pushYoung
}

// young REPOSITORY TAG: an image that was made just now.
func pushYoung(ts *testscript.TestScript, _ bool, args []string) {
	_, err := siteOf(ts).Registry.Push(args[0], args[1], time.Now())
	ts.Check(err)
}

// readRecipes reads the blocks of README.md that a shell can run, by their titles: the comment in
// their first line.
func readRecipes() (map[string]string, error) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		return nil, err
	}
	recipes := map[string]string{}
	for i, part := range strings.Split(string(readme), "```") {
		text, isShell := strings.CutPrefix(part, "sh\n")
		if i%2 == 0 {
			continue // between two blocks
		}
		title, _, _ := strings.Cut(text, "\n")
		title, titled := strings.CutPrefix(title, "# ")
		if _, twice := recipes[title]; !isShell || !titled || twice {
			return nil, fmt.Errorf("README.md: a block is for sh, and its first line is a comment of its own, not %q", title)
		}
		recipes[title] = text
	}
	return recipes, nil
}

// recipe [CODE] TITLE: runs a recipe of README.md as it stands there, with the script's servers in
// the place of git.example and registry.example; fails unless it ends with this exit code.
func runRecipe(ts *testscript.TestScript, _ bool, args []string) {
	code := "0"
	if len(args) == 2 {
		code, args = args[0], args[1:]
	}
	recipes, err := readRecipes()
	ts.Check(err)
	text, found := recipes[args[0]]
	if !found {
		ts.Fatalf("README.md has no recipe %q", args[0])
	}
	text = strings.NewReplacer("https://git.example", ts.Getenv("GIT"), "registry.example", ts.Getenv("REGISTRY"),
		"pipelines/", ts.Getenv("PIPELINES")+"/").Replace(text)
	file := ts.MkAbs(".ground/recipe.sh")
	ts.Check(os.WriteFile(file, []byte(text), 0o644))
	ts.Setenv("PATH", plainHTTP(ts)+string(os.PathListSeparator)+ts.Getenv("PATH"))
	err = ts.Exec("sh", file)
	if err != nil && !strings.HasSuffix(err.Error(), "exit status "+code) || err == nil && code != "0" {
		ts.Fatalf("the recipe ends with %v, want exit code %s", err, code)
	}
}

// plainHTTP is a folder with a scan-tags that may speak plain http to the script's registry.
func plainHTTP(ts *testscript.TestScript) string {
	dir := ts.MkAbs(".ground/plain-http")
	ts.Check(os.MkdirAll(dir, 0o755))
	script := fmt.Sprintf("#!/bin/sh\nexec %s/scan-tags --insecure-host %s \"$@\"\n", bin, ts.Getenv("REGISTRY"))
	ts.Check(os.WriteFile(filepath.Join(dir, "scan-tags"), []byte(script), 0o755))
	return dir
}

// TestRecipes: every recipe is run by a script.
func TestRecipes(t *testing.T) {
	recipes, err := readRecipes()
	if err != nil {
		t.Fatal(err)
	}
	scripts, err := filepath.Glob("testdata/recipe-*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, script := range scripts {
		text, err := os.ReadFile(script)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	for title := range recipes {
		if !strings.Contains(all.String(), fmt.Sprintf("'%s'\n", title)) {
			t.Errorf("no script runs the recipe %q", title)
		}
	}
}
