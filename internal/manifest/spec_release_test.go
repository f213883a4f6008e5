package manifest_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/sluice-gitops/sluice/internal/manifest"
	"github.com/sluice-gitops/sluice/internal/yamledit"
)

const sha = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// otherSha is a digest too.
const otherSha = "sha256:ffff456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// releaseRow is a HelmRelease's values, what is found in them, and what becomes of them.
type releaseRow struct {
	// row is the row of Flux v1's behaviour that it shows, as chapter/number; empty where
	// Flux had nothing of the kind.
	row, name string
	// departs says what Flux did, where this is another thing on purpose, and why it is.
	departs string
	// values is what stands below spec.values, byte by byte, but for four blanks before each line.
	values string
	notes  string // annotations, a line each
	found  string // name=reference of each container, separated by blanks; "name!" for one with an error
	to     string // the new reference of the first one
	after  string // the values afterwards; "error: …" where it cannot be done
}

var releaseRows = []releaseRow{
	{row: "2.3/1", name: "a whole reference", values: "image: r/a:1 # c\n",
		found: "chart-image=r/a:1", to: "r/a:NEW", after: "image: r/a:NEW # c\n"},
	{row: "2.3/2", name: "tag beside it", values: "image: r/a\ntag: v1\n",
		found: "chart-image=r/a:v1", to: "r/a:NEW", after: "image: r/a\ntag: NEW\n"},
	{row: "2.3/3", name: "registry and tag beside it", values: "registry: q.io\nimage: r/a\ntag: v1\n",
		found: "chart-image=q.io/r/a:v1", to: "q.io/r/a:NEW", after: "registry: q.io\nimage: r/a\ntag: NEW\n"},
	{row: "2.3/4", name: "registry beside it", values: "registry: q.io\nimage: r/a:1\n",
		found: "chart-image=q.io/r/a:1", to: "q.io/r/a:NEW", after: "registry: q.io\nimage: r/a:NEW\n"},
	{row: "2.3/5", name: "repository and tag", values: "image: {repository: r/a, tag: v1}\n",
		found: "chart-image=r/a:v1", to: "r/a:NEW", after: "image: {repository: r/a, tag: NEW}\n"},
	{row: "2.3/6", name: "registry, repository and tag", values: "image:\n  registry: q.io\n  repository: r/a\n  tag: v1\n",
		found: "chart-image=q.io/r/a:v1", to: "q.io/r/a:NEW", after: "image:\n  registry: q.io\n  repository: r/a\n  tag: NEW\n"},
	{row: "2.3/7", name: "registry, and repository with its tag", values: "image: {registry: q.io, repository: \"r/a:1\"}\n",
		found: "chart-image=q.io/r/a:1", to: "q.io/r/a:NEW", after: "image: {registry: q.io, repository: \"r/a:NEW\"}\n"},
	{row: "2.3/8", name: "repository without a tag", values: "image:\n    repository: r/a\n",
		found: "chart-image=r/a", to: "r/a:NEW", after: "image:\n    repository: r/a:NEW\n"},
	{row: "2.3/9", name: "1 below a key", values: "db:\n  image: r/a:1\n",
		found: "db=r/a:1", to: "r/a:NEW", after: "db:\n  image: r/a:NEW\n"},
	{row: "2.3/9", name: "2 below a key", values: "db:\n  image: r/a\n  tag: \"1\"\n",
		found: "db=r/a:1", to: "r/a:NEW", after: "db:\n  image: r/a\n  tag: \"NEW\"\n"},
	{row: "2.3/9", name: "3 below a key", values: "db: {registry: q.io, image: r/a, tag: v1}\n",
		found: "db=q.io/r/a:v1", to: "q.io/r/a:NEW", after: "db: {registry: q.io, image: r/a, tag: NEW}\n"},
	{row: "2.3/9", name: "4 below a key", values: "db: {registry: q.io, image: r/a:1}\n",
		found: "db=q.io/r/a:1", to: "q.io/r/a:NEW", after: "db: {registry: q.io, image: r/a:NEW}\n"},
	{row: "2.3/9", name: "5 below a key", values: "db:\n  image:\n    tag: v1\n    repository: r/a\n",
		found: "db=r/a:v1", to: "r/a:NEW", after: "db:\n  image:\n    tag: NEW\n    repository: r/a\n"},
	{row: "2.3/9", name: "6 below a key", values: "db:\n  image:\n    registry: q.io\n    repository: r/a\n    tag: v1\n",
		found: "db=q.io/r/a:v1", to: "q.io/r/a:NEW", after: "db:\n  image:\n    registry: q.io\n    repository: r/a\n    tag: NEW\n"},
	{row: "2.3/9", name: "7 below a key", values: "db:\n  image:\n    registry: q.io\n    repository: r/a:1\n",
		found: "db=q.io/r/a:1", to: "q.io/r/a:NEW", after: "db:\n  image:\n    registry: q.io\n    repository: r/a:NEW\n"},
	{row: "2.3/9", name: "8 below a key", values: "db:\n  image:\n    repository: r/a\n",
		found: "db=r/a", to: "r/a:NEW", after: "db:\n  image:\n    repository: r/a:NEW\n"},
	{row: "2.3/10", name: "two levels down", values: "c:\n  d:\n    image: r/deep:1\n"},
	{row: "2.3/10", name: "in a list", values: "list:\n- image: r/a:1\n"},
	{row: "2.3/11", name: "a tag inside and one outside", values: "image:\n  repository: r/a\n  tag: v1\ntag: x\n",
		found: "chart-image=r/a:v1", to: "r/a:NEW", after: "image:\n  repository: r/a\n  tag: NEW\ntag: x\n"},
	{row: "2.3/12", name: "a number as tag",
		departs: "Flux saw no tag, so that policies by time never updated it; a number that stands where a tag belongs is one, and its text counts, 1.10 and not 1.1",
		values:  "image:\n  repository: r/a\n  tag: 1.10 # c\n",
		found:   "chart-image=r/a:1.10", to: "r/a:1.20", after: "image:\n  repository: r/a\n  tag: \"1.20\" # c\n"},
	{row: "2.3/12", name: "an integer as tag", departs: "as before", values: "image: r/a\ntag: 20200101\n",
		found: "chart-image=r/a:20200101", to: "r/a:20200102", after: "image: r/a\ntag: \"20200102\"\n"},
	{row: "2.3/12", name: "a number among single quotes", departs: "as before", values: "name: 'x'\nimage: r/a\ntag: 1\n",
		found: "chart-image=r/a:1", to: "r/a:2", after: "name: 'x'\nimage: r/a\ntag: '2'\n"},
	{row: "2.3/12", name: "a number becomes a text", departs: "as before", values: "image: {repository: r/a, tag: 1}\n",
		found: "chart-image=r/a:1", to: "r/a:v2", after: "image: {repository: r/a, tag: v2}\n"},
	{row: "2.3/12", name: "a truth value is no tag", values: "image: r/a\ntag: true\n",
		found: "chart-image=r/a", to: "r/a:NEW", after: "image: r/a:NEW\ntag: true\n"},
	{row: "2.3/13", name: "a number in quotes", values: "image:\n  repository: r/a\n  tag: \"1.10\"\n",
		found: "chart-image=r/a:1.10", to: "r/a:1.20", after: "image:\n  repository: r/a\n  tag: \"1.20\"\n"},
	{row: "2.3/14", name: "an empty tag",
		departs: "Flux saw no image; charts ship tag: \"\" to mean their own version, and that is where the first tag belongs",
		values:  "image: {repository: r/a, tag: \"\"}\n",
		found:   "chart-image=r/a", to: "r/a:NEW", after: "image: {repository: r/a, tag: \"NEW\"}\n"},
	{row: "2.3/14", name: "no tag behind the colon", departs: "as before", values: "image:\n  repository: r/a\n  tag:   # none\n",
		found: "chart-image=r/a", to: "r/a:NEW", after: "image:\n  repository: r/a\n  tag: NEW   # none\n"},
	{row: "2.3/14", name: "null as tag", departs: "as before", values: "image:\n  repository: r/a\n  tag: null\n",
		found: "chart-image=r/a", to: "r/a:1.0", after: "image:\n  repository: r/a\n  tag: \"1.0\"\n"},
	{row: "2.3/14", name: "an empty tag beside a whole name", departs: "as before", values: "image: {repository: 'r/a:1', tag: ''}\n",
		found: "chart-image=r/a:1", to: "r/a:NEW", after: "image: {repository: 'r/a:NEW', tag: ''}\n"},
	{row: "2.3/14", name: "an empty registry", departs: "Flux saw no image; empty says nothing",
		values: "registry: \"\"\nimage: r/a:1\n",
		found:  "chart-image=r/a:1", to: "r/a:NEW", after: "registry: \"\"\nimage: r/a:NEW\n"},
	{row: "2.3/15", name: "two tags", values: "image: r/a:2\ntag: v1\n"},
	{row: "2.3/16", name: "a registry with a path",
		departs: "Flux moved the path to the image's field; the split stays where somebody put it",
		values:  "registry: q.io/r\nimage: a\ntag: v1\n",
		found:   "chart-image=q.io/r/a:v1", to: "q.io/r/a:NEW", after: "registry: q.io/r\nimage: a\ntag: NEW\n"},
	{row: "2.3/17", name: "a registry without a dot",
		departs: "Flux emptied the registry's field and failed to verify; the split stays where somebody put it",
		values:  "registry: myreg\nimage: a\ntag: v1\n",
		found:   "chart-image=myreg/a:v1", to: "myreg/a:NEW", after: "registry: myreg\nimage: a\ntag: NEW\n"},
	{row: "2.3/18", name: "host and port", departs: "Flux saw no image; the registry is told as container runtimes do, see chapter 4",
		values: "image: registry:5000/a:v1\n",
		found:  "chart-image=registry:5000/a:v1", to: "registry:5000/a:NEW", after: "image: registry:5000/a:NEW\n"},
	{row: "2.3/18", name: "host and port, split", departs: "as before", values: "registry: registry:5000\nimage: a\ntag: v1\n",
		found: "chart-image=registry:5000/a:v1", to: "registry:5000/a:NEW", after: "registry: registry:5000\nimage: a\ntag: NEW\n"},
	{row: "2.3/19", name: "a digest in the repository",
		departs: "Flux wrote it back as it was; a digest without a tag is left alone by pick-tag, which says so, and can be changed by a picker of one's own",
		values:  "image: {repository: r/a@" + sha + "}\n",
		found:   "chart-image=r/a@" + sha, to: "r/a:NEW", after: "image: {repository: r/a:NEW}\n"},
	{row: "2.3/20", name: "image inside image", values: "image:\n  image: r/a\n  tag: v1\n",
		found: "image=r/a:v1", to: "r/a:NEW", after: "image:\n  image: r/a\n  tag: NEW\n"},
	{row: "2.3/21", name: "a key called chart-image", values: "chart-image: {image: r/k:1}\nimage: r/top:1\n",
		found: "chart-image=r/k:1", to: "r/k:NEW", after: "chart-image: {image: r/k:NEW}\nimage: r/top:1\n"},
	{row: "2.3/22", name: "mapped: repository", values: "a:\n  b:\n    c: q.io/r/a:1\n", notes: "repository.fluxcd.io/x: a.b.c\n",
		found: "x=q.io/r/a:1", to: "q.io/r/a:NEW", after: "a:\n  b:\n    c: q.io/r/a:NEW\n"},
	{row: "2.3/22", name: "mapped: repository and tag", values: "a:\n  r: r/a\n  t: v1\n", notes: "repository.fluxcd.io/x: a.r\ntag.fluxcd.io/x: a.t\n",
		found: "x=r/a:v1", to: "r/a:NEW", after: "a:\n  r: r/a\n  t: NEW\n"},
	{row: "2.3/22", name: "mapped: registry and repository", values: "g: q.io\nr: r/a:1\n", notes: "registry.fluxcd.io/x: g\nrepository.fluxcd.io/x: r\n",
		found: "x=q.io/r/a:1", to: "q.io/r/a:NEW", after: "g: q.io\nr: r/a:NEW\n"},
	{row: "2.3/22", name: "mapped: all three", values: "g: q.io\nr: r/a\nt: v1\n", notes: "registry.fluxcd.io/x: g\nrepository.fluxcd.io/x: r\ntag.fluxcd.io/x: t\n",
		found: "x=q.io/r/a:v1", to: "q.io/r/a:NEW", after: "g: q.io\nr: r/a\nt: NEW\n"},
	{row: "2.3/23", name: "mapped: tag only", values: "t: v1\n", notes: "tag.fluxcd.io/x: t\n"},
	{row: "2.3/23", name: "mapped: registry and tag", values: "g: q.io\nt: v1\n", notes: "registry.fluxcd.io/x: g\ntag.fluxcd.io/x: t\n"},

	{row: "2.1/1", name: "chart-image first, then by name", values: "z: {image: z:1}\na: {image: a:1}\nimage: top:1\n",
		found: "chart-image=top:1 a=a:1 z=z:1", to: "top:NEW", after: "z: {image: z:1}\na: {image: a:1}\nimage: top:NEW\n"},
	{row: "2.1/2", name: "no holders", values: "image: {name: r/a, tag: \"1\"}\nrepository: r/a\ntag: \"1\"\no: {repository: r/b, tag: \"2\"}\n"},
	{row: "2.1/3", name: "no references", values: "image: Not An Image\no: {image: \"{{ x }}\"}\n"},
	{row: "2.1/4", name: "an image that is a number", values: "image: 7\no: {image: {repository: 8}}\n"},

	{row: "2.2/1", name: "an alias that is found without", values: "image: r/top:1\no: {r: r/o:2}\n", notes: "repository.fluxcd.io/chart-image: o.r\n",
		found: "chart-image=r/o:2", to: "r/o:NEW", after: "image: r/top:1\no: {r: r/o:NEW}\n"},
	{row: "2.2/2", name: "leads nowhere: the name keeps what was found", values: "db: {image: r/a:1}\n", notes: "repository.fluxcd.io/db: no.where\n",
		found: "db=r/a:1", to: "r/a:NEW", after: "db: {image: r/a:NEW}\n"},
	{row: "2.2/3", name: "leads nowhere", departs: "Flux said nothing; an annotation that does nothing is a mistake that somebody wants to know of",
		values: "a: r/a:1\n", notes: "repository.fluxcd.io/x: b\n", found: "x!"},
	{row: "2.2/4", name: "values. before the path", departs: "as before", values: "a: r/a:1\n", notes: "repository.fluxcd.io/x: values.a\n", found: "x!"},
	{row: "2.2/5", name: "no indexes", departs: "as before", values: "a:\n- r/a:1\n", notes: "repository.fluxcd.io/x: a.0\n", found: "x!"},
	{row: "2.2/6", name: "a mapping at its end", departs: "as before", values: "a: {b: c}\n", notes: "repository.fluxcd.io/x: a\n", found: "x!"},
	{row: "2.2/7", name: "no reference at its end", departs: "as before", values: "a: B C\n", notes: "repository.fluxcd.io/x: a\n", found: "x!"},
	{row: "2.2/8", name: "its tag leads nowhere", departs: "as before", values: "a: r/a\n", notes: "repository.fluxcd.io/x: a\ntag.fluxcd.io/x: t\n", found: "x!"},
	{row: "2.2/9", name: "its registry leads nowhere", departs: "as before", values: "a: r/a\n", notes: "repository.fluxcd.io/x: a\nregistry.fluxcd.io/x: t\n", found: "x!"},
	{row: "2.2/10", name: "one value twice", departs: "as before", values: "a: r/a\n", notes: "repository.fluxcd.io/x: a\ntag.fluxcd.io/x: a\n", found: "x!"},
	{row: "2.2/11", name: "no image annotation", values: "a: r/a:1\n", notes: "image.fluxcd.io/x: a\n"},
	{row: "2.2/12", name: "a number as tag", departs: "Flux wanted a string; see 2.3/12", values: "r: r/a\nt: 7\n", notes: "repository.fluxcd.io/x: r\ntag.fluxcd.io/x: t\n",
		found: "x=r/a:7", to: "r/a:8", after: "r: r/a\nt: \"8\"\n"},

	// What Flux had nothing of: digests in a field of their own.
	{name: "tag and digest", values: "image:\n  repository: r/a\n  tag: v1\n  digest: " + sha + "\n",
		found: "chart-image=r/a:v1@" + sha, to: "r/a:v2@" + otherSha, after: "image:\n  repository: r/a\n  tag: v2\n  digest: " + otherSha + "\n"},
	{name: "another digest of the same tag", values: "image: r/a\ntag: v1\ndigest: '" + sha + "'\n",
		found: "chart-image=r/a:v1@" + sha, to: "r/a:v1@" + otherSha, after: "image: r/a\ntag: v1\ndigest: '" + otherSha + "'\n"},
	{name: "digest beside a whole name", values: "image: {repository: r/a:1, digest: " + sha + "}\n",
		found: "chart-image=r/a:1@" + sha, to: "r/a:2@" + otherSha, after: "image: {repository: r/a:2, digest: " + otherSha + "}\n"},
	{name: "digest beside an empty tag", values: "image: {repository: r/a, tag: \"\", digest: " + sha + "}\n",
		found: "chart-image=r/a@" + sha, to: "r/a:2@" + sha, after: "image: {repository: r/a, tag: \"2\", digest: " + sha + "}\n"},
	{name: "digest that the new reference lacks", values: "image: {repository: r/a, tag: v1, digest: " + sha + "}\n",
		found: "chart-image=r/a:v1@" + sha, to: "r/a:v2", after: "error: would keep the old one"},
	{name: "an empty digest says nothing", values: "image: {repository: r/a, tag: v1, digest: \"\"}\n",
		found: "chart-image=r/a:v1", to: "r/a:v2", after: "image: {repository: r/a, tag: v2, digest: \"\"}\n"},
	{name: "what is no digest says nothing", values: "image: {repository: r/a, tag: v1, digest: latest}\n",
		found: "chart-image=r/a:v1", to: "r/a:v2", after: "image: {repository: r/a, tag: v2, digest: latest}\n"},
	{name: "two digests", values: "image: {repository: r/a@" + sha + ", digest: " + sha + "}\n"},
	{name: "a digest behind the tag", values: "image: r/a\ntag: v1@" + sha + "\n",
		found: "chart-image=r/a:v1@" + sha, to: "r/a:v2@" + otherSha, after: "image: r/a\ntag: v2@" + otherSha + "\n"},
	{name: "a digest joins the tag", values: "image: r/a\ntag: v1\n",
		found: "chart-image=r/a:v1", to: "r/a:v2@" + sha, after: "image: r/a\ntag: v2@" + sha + "\n"},
	{name: "a digest alone beside a tag", values: "image: r/a\ntag: v1\n",
		found: "chart-image=r/a:v1", to: "r/a@" + sha, after: "error: a digest without a tag"},
	{name: "a digest in a whole reference", values: "image: r/a:1\n",
		found: "chart-image=r/a:1", to: "r/a@" + sha, after: "image: r/a@" + sha + "\n"},

	// A picker of one's own may move an image.
	{name: "to another registry", values: "registry: q.io\nimage: r/a\ntag: v1\n",
		found: "chart-image=q.io/r/a:v1", to: "ghcr.io/x/a:v2", after: "registry: ghcr.io\nimage: x/a\ntag: v2\n"},
	{name: "to Docker Hub", values: "registry: q.io\nimage: r/a\ntag: v1\n",
		found: "chart-image=q.io/r/a:v1", to: "docker.io/library/alpine:v2", after: "registry: docker.io\nimage: library/alpine\ntag: v2\n"},
	{name: "to another registry, without a field for it", values: "image: r/a\ntag: v1\n",
		found: "chart-image=r/a:v1", to: "ghcr.io/x/a:v2", after: "image: ghcr.io/x/a\ntag: v2\n"},
	{name: "to no reference", values: "image: r/a:1\n", found: "chart-image=r/a:1", to: "r/a:", after: "error: the tag is empty"},
	{name: "to where it is", values: "image: r/a:1\n", found: "chart-image=r/a:1", to: "r/a:1", after: "image: r/a:1\n"},
}

func TestReleaseRows(t *testing.T) {
	seen := map[string]bool{}
	for _, test := range releaseRows {
		seen[test.row] = true
		t.Run(strings.TrimSpace(test.row+" "+test.name), func(t *testing.T) {
			before := releaseFile(test.notes, test.values)
			containers := manifest.Images(only(t, before))
			if got := describe(containers); got != test.found {
				t.Fatalf("found %q, want %q", got, test.found)
			}
			if test.to == "" {
				return
			}
			after, err := rewrite(t, before, containers[0], test.to)
			if want, bad := strings.CutPrefix(test.after, "error: "); bad {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Fatalf("got %q and the error %v, want %q", after, err, want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if want := releaseFile(test.notes, test.after); after != want {
				t.Fatalf("got\n%s\nwant\n%s", after, want)
			}
			if again := manifest.Images(only(t, after)); len(again) != len(containers) || again[0].Name != containers[0].Name || again[0].Ref != test.to {
				t.Errorf("read back it is %s", describe(again))
			}
		})
	}
	for i := 1; i <= 23; i++ {
		if row := fmt.Sprint("2.3/", i); !seen[row] {
			t.Errorf("the row %s has no case", row)
		}
	}
}

// releaseFile is a file with a HelmRelease between other documents.
func releaseFile(notes, values string) string {
	if notes != "" {
		notes = "  annotations:\n" + indented(notes)
	}
	return "# a file\n---\napiVersion: helm.fluxcd.io/v1\nkind: HelmRelease\nmetadata:\n  name: app\n" + notes +
		"spec:\n  values:\n" + indented(values) + "---\n# and another document\nother: {image: r/a:1}\n"
}

func indented(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString("    " + line)
	}
	return b.String()
}

// only is the one object of a file.
func only(t *testing.T, file string) map[string]any {
	t.Helper()
	objects := all(t, file)
	if len(objects) != 1 {
		t.Fatalf("%d objects in\n%s", len(objects), file)
	}
	return objects[0]
}

func all(t *testing.T, file string) []map[string]any {
	t.Helper()
	objects, faults := manifest.Parse([]byte(file))
	if len(faults) > 0 {
		t.Fatalf("%v in\n%s", faults[0], file)
	}
	var list []map[string]any
	for _, o := range objects {
		decoder := json.NewDecoder(strings.NewReader(string(o.JSON)))
		decoder.UseNumber()
		var decoded map[string]any
		if err := decoder.Decode(&decoded); err != nil {
			t.Fatal(err)
		}
		list = append(list, decoded)
	}
	return list
}

func describe(containers []manifest.Container) string {
	var list []string
	for _, c := range containers {
		if c.Err != nil {
			list = append(list, c.Name+"!")
		} else {
			list = append(list, c.Name+"="+c.Ref)
		}
	}
	return strings.Join(list, " ")
}

// rewrite changes a container's image in the one object of a file.
func rewrite(t *testing.T, file string, c manifest.Container, to string) (string, error) {
	t.Helper()
	edits, err := manifest.Rewrite(c.Fields, to)
	if err != nil {
		return file, err
	}
	objects, _ := manifest.Parse([]byte(file))
	change := yamledit.Change{Doc: objects[0].Doc}
	for _, e := range edits {
		change.Scalars = append(change.Scalars, yamledit.Scalar{Path: e.Path, Old: e.Old, New: e.New})
	}
	after, outcomes, err := yamledit.Apply([]byte(file), []yamledit.Change{change})
	if err == nil {
		err = outcomes[0].Err
	}
	return string(after), err
}
