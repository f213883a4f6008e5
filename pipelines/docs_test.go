package pipelines_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

var programs = []string{"git-fetch", "scan-tags", "pick-tag", "bump-yaml", "kapply", "helm-reconcile"}

// TestFluxPage: what docs/flux-v1.md names is there, each test and each flag of a program; and it
// names every row of a test's table that departs from Flux on purpose.
func TestFluxPage(t *testing.T) {
	cited := checkPage(t, "flux-v1.md")
	for _, dir := range []string{"cmd/pick-tag", "internal/manifest", "internal/imageref"} {
		departs := readTests(t, dir).departs
		if len(departs) == 0 {
			t.Errorf("%s departs nowhere: is its table read as it is written?", dir)
		}
		for _, departs := range departs {
			if !slices.ContainsFunc(cited[dir], func(row string) bool { return row != "" && covered(row)(departs) }) {
				t.Errorf("the page does not tell of %s, row %s", dir, departs)
			}
		}
	}
}

// TestKapplyPage: so does docs/kapply.md; and each of its promises has a test, and each test of the
// safety table that kapply has is in it.
func TestKapplyPage(t *testing.T) {
	checkPage(t, "kapply.md")
	page, err := os.ReadFile("../docs/kapply.md")
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(string(page), "\n") {
		columns := strings.Split(line, " | ")
		header := strings.HasPrefix(line, "|---") || strings.HasSuffix(line, "| Tests |")
		if strings.HasPrefix(line, "|") && !header && (len(columns) != 3 || !strings.Contains(columns[2], "`")) {
			t.Errorf("docs/kapply.md:%d: a promise without a test", i+1)
		}
	}
	for name := range readTests(t, "cmd/kapply").funcs {
		if strings.HasPrefix(name, "TestSafety") && !strings.Contains(string(page), "`cmd/kapply: "+name+"`") {
			t.Errorf("the page does not name %s", name)
		}
	}
}

// TestHelmOperatorPage: so does docs/helm-operator.md; and it names every field of a HelmRelease, every
// phase of its status, and each test of the safety table that helm-reconcile has by itself.
func TestHelmOperatorPage(t *testing.T) {
	checkPage(t, "helm-operator.md")
	page, err := os.ReadFile("../docs/helm-operator.md")
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile("../deploy/crds/helmreleases.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var crd struct {
		Spec struct {
			Versions []struct {
				Schema struct {
					OpenAPIV3Schema property `json:"openAPIV3Schema"`
				} `json:"schema"`
			} `json:"versions"`
		} `json:"spec"`
	}
	if err := yaml.Unmarshal(content, &crd); err != nil {
		t.Fatal(err)
	}
	object := crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties
	names := object["spec"].fields("")
	for _, phase := range object["status"].Properties["phase"].Enum {
		if phase != "Migrating" { // of the Helm Operator only
			names = append(names, phase)
		}
	}
	if len(names) < 40 {
		t.Errorf("fields and phases are %v: is the definition read as it is written?", names)
	}
	for _, name := range names {
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("the page does not name %s", name)
		}
	}
}

// property is a part of a schema.
type property struct {
	Properties map[string]property `json:"properties"`
	Items      *property           `json:"items"`
	Enum       []string            `json:"enum"`
}

// fields are the names of what can be set, down to those of one object or one list.
func (p property) fields(above string) []string {
	var all []string
	for name, below := range p.Properties {
		switch deeper := below.Properties; {
		case above == "" && name == "valuesFrom":
			all = append(all, below.Items.fields("valuesFrom[].")...)
		case above == "" && deeper != nil:
			all = append(all, below.fields(name+".")...)
		default:
			all = append(all, above+name)
		}
	}
	return all
}

// checkPage looks for what a page of docs names, and gives the rows of tests that it cites, by folder.
func checkPage(t *testing.T, name string) map[string][]string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("../docs", name))
	if err != nil {
		t.Fatal(err)
	}
	cited := map[string][]string{} // rows by folder
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
			name, row, _ := strings.Cut(name, "/")
			cited[dir] = append(cited[dir], row)
			if found := readTests(t, dir); !found.funcs[name] || row != "" && !slices.ContainsFunc(found.rows, covered(row)) {
				t.Errorf("%s has no test %s %s", dir, name, row)
			}
		}
	}
	if tests < 40 {
		t.Errorf("the page names %d tests: is it read as it is written?", tests)
	}
	return cited
}

// covered says that a row is the cited one, or that one and a name of its own.
func covered(cited string) func(row string) bool {
	return func(row string) bool { return row == cited || strings.HasPrefix(row, cited+" ") }
}

// codeSpans are the texts between backquotes.
func codeSpans(page string) []string {
	var spans []string
	for i, part := range strings.Split(page, "`") {
		if i%2 == 1 && strings.TrimSpace(part) != "" {
			spans = append(spans, strings.ReplaceAll(part, `\|`, "|"))
		}
	}
	return spans
}

var (
	flagName    = regexp.MustCompile(`^--[a-z0-9-]+`)
	commandName = regexp.MustCompile(`^[a-z]+$`)
)

// checkFlags looks for the flags of a span, a pipe perhaps, in the help of their program.
func checkFlags(t *testing.T, span string, words []string) {
	t.Helper()
	help := ""
	for i, word := range words {
		if slices.Contains(programs, word) {
			args := []string{"--help"}
			if i+1 < len(words) && commandName.MatchString(words[i+1]) {
				args = []string{words[i+1], "--help"}
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

// found is what the Go tests of a folder hold.
type found struct {
	funcs map[string]bool
	// rows are texts of tables that may name a row; of one with row and name, both.
	rows []string
	// departs are the rows that say why they depart, but for those that point at another one.
	departs []string
}

func readTests(t *testing.T, dir string) found {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	f := found{funcs: map[string]bool{}}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, f.take)
	}
	return f
}

func (f *found) take(node ast.Node) bool {
	switch n := node.(type) {
	case *ast.FuncDecl:
		f.funcs[n.Name.Name] = true
	case *ast.BasicLit:
		if text, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING {
			f.rows = append(f.rows, text)
		}
	case *ast.CompositeLit:
		f.takeRow(n)
	}
	return true
}

// takeRow is for a literal such as {row: "2.3/1", name: "…", departs: "…"}.
func (f *found) takeRow(literal *ast.CompositeLit) {
	fields := map[string]string{}
	for _, element := range literal.Elts {
		pair, _ := element.(*ast.KeyValueExpr)
		if pair == nil {
			continue
		}
		key, _ := pair.Key.(*ast.Ident)
		switch value := pair.Value.(type) {
		case *ast.BasicLit:
			if text, err := strconv.Unquote(value.Value); err == nil && key != nil {
				fields[key.Name] = text
			}
		case *ast.Ident: // a constant, for a reason that several rows have
			if key != nil {
				fields[key.Name] = value.Name
			}
		}
	}
	row := strings.TrimSpace(fields["row"] + " " + fields["name"])
	f.rows = append(f.rows, row)
	if why := fields["departs"] + fields["departure"]; why != "" && !strings.HasPrefix(why, "as before") && !strings.HasPrefix(why, "as for ") && !strings.HasPrefix(why, "see ") {
		f.departs = append(f.departs, row)
	}
}
