package imageref

import (
	"strings"
	"testing"
)

// The tables of chapter 4 of Flux v1's behaviour, row by row. A Ref without a repository stands for
// an error.
var specRows = []struct {
	row       string
	departs   string // what Flux did, where this is another thing on purpose, and why it is
	in        string
	want      Ref
	canonical string
}{
	{row: "4/empty", in: ""},
	{row: "4/slash at the start", in: "/alpine"},
	{row: "4/slash at the end", in: "alpine/"},
	{row: "4/one element", in: "alpine", want: Ref{Repository: "alpine"}, canonical: "index.docker.io/library/alpine"},
	{row: "4/two elements, a dot", in: "quay.io/a", want: Ref{Registry: "quay.io", Repository: "a"}, canonical: "quay.io/a"},
	{row: "4/two elements, localhost", in: "localhost/a", want: Ref{Registry: "localhost", Repository: "a"}, canonical: "localhost/a"},
	{row: "4/two elements, localhost in it", in: "mylocalhost/a", want: Ref{Repository: "mylocalhost/a"}, canonical: "index.docker.io/mylocalhost/a",
		departs: "Flux took it for a host; container runtimes pull it from Docker Hub"},
	{row: "4/two elements, a port", in: "registry:5000/a", want: Ref{Registry: "registry:5000", Repository: "a"}, canonical: "registry:5000/a",
		departs: "Flux took the port for a tag; container runtimes take it for a host's"},
	{row: "4/two elements, neither", in: "a/b", want: Ref{Repository: "a/b"}, canonical: "index.docker.io/a/b"},
	{row: "4/three elements", in: "quay.io/a/b", want: Ref{Registry: "quay.io", Repository: "a/b"}, canonical: "quay.io/a/b"},
	{row: "4/three elements without a host", in: "a/b/c", want: Ref{Repository: "a/b/c"}, canonical: "index.docker.io/a/b/c",
		departs: "Flux took a for a host; container runtimes pull it from Docker Hub"},
	{row: "4/sha256", in: "a/b@" + sha, want: Ref{Repository: "a/b", Digest: sha}, canonical: "index.docker.io/a/b@" + sha,
		departs: "Flux dropped the digest from the canonical reference; it is a part of what is pulled"},
	{row: "4/another algorithm", in: "a/b@blake3:00ff", want: Ref{Repository: "a/b", Digest: "blake3:00ff"}, canonical: "index.docker.io/a/b@blake3:00ff",
		departs: "Flux knew sha256 only; registries allow others"},
	{row: "4/an empty tag", in: "a:"},
	{row: "4/an empty name", in: ":a"},
	{row: "4/two colons", in: "a:1:2"},
	{row: "4/capitals", in: "Alpine", departs: "Flux took any character; no registry has such a repository, and a template or a sentence is no image"},
	{row: "4/a blank", in: "a b", departs: "as before"},
	{row: "4/a template", in: "<image>", departs: "as before"},

	{row: "4/1 alpine", in: "alpine", want: Ref{Repository: "alpine"}, canonical: "index.docker.io/library/alpine"},
	{row: "4/1 library/alpine", in: "library/alpine", want: Ref{Repository: "library/alpine"}, canonical: "index.docker.io/library/alpine"},
	{row: "4/1 docker.io/library/alpine", in: "docker.io/library/alpine", want: Ref{Registry: "docker.io", Repository: "library/alpine"}, canonical: "index.docker.io/library/alpine"},
	{row: "4/2", in: "alpine:mytag", want: Ref{Repository: "alpine", Tag: "mytag"}, canonical: "index.docker.io/library/alpine:mytag"},
	{row: "4/3", in: "localhost:5000/hello:v1.1", want: Ref{Registry: "localhost:5000", Repository: "hello", Tag: "v1.1"}, canonical: "localhost:5000/hello:v1.1"},
	{row: "4/4", in: "registry:5000/a/foo:v1", want: Ref{Registry: "registry:5000", Repository: "a/foo", Tag: "v1"}, canonical: "registry:5000/a/foo:v1"},
	{row: "4/5", in: "registry:5000/foo", want: Ref{Registry: "registry:5000", Repository: "foo"}, canonical: "registry:5000/foo",
		departs: "Flux read the repository registry at the tag 5000/foo"},
	{row: "4/6", in: "registry:5000/foo:v1", want: Ref{Registry: "registry:5000", Repository: "foo", Tag: "v1"}, canonical: "registry:5000/foo:v1",
		departs: "Flux failed, on two colons"},
	{row: "4/7", in: "a/b:1@" + sha, want: Ref{Repository: "a/b", Tag: "1", Digest: sha}, canonical: "index.docker.io/a/b:1@" + sha,
		departs: "Flux dropped the digest from the canonical reference, and a rewrite the tag; both are kept, so that a pin can follow its tag"},
	{row: "4/7 a short digest", in: "a/b:1@sha256:abc", departs: "Flux took it; nothing can be pulled by it"},
	{row: "4/8", in: "registry-1.docker.io/library/x", want: Ref{Registry: "registry-1.docker.io", Repository: "library/x"}, canonical: "registry-1.docker.io/library/x"},
	{row: "4/canonical: index.docker.io with one element", in: "index.docker.io/alpine", want: Ref{Registry: "index.docker.io", Repository: "alpine"}, canonical: "index.docker.io/library/alpine"},
	{row: "4/canonical: docker.io with one element", in: "docker.io/alpine", want: Ref{Registry: "docker.io", Repository: "alpine"}, canonical: "index.docker.io/library/alpine"},
	{row: "4/canonical: another host with one element", in: "quay.io/alpine", want: Ref{Registry: "quay.io", Repository: "alpine"}, canonical: "quay.io/alpine"},
	{row: "4/canonical: a host in capitals", in: "Quay.IO/a", want: Ref{Registry: "Quay.IO", Repository: "a"}, canonical: "quay.io/a",
		departs: "Flux took it for another host"},
}

func TestSpecRows(t *testing.T) {
	for _, test := range specRows {
		t.Run(test.row, func(t *testing.T) {
			got, err := Parse(test.in)
			if test.want.Repository == "" {
				if err == nil {
					t.Fatalf("%q gave %+v, want an error", test.in, got)
				}
				return
			}
			if err != nil || got != test.want {
				t.Fatalf("%q gave %+v and %v, want %+v", test.in, got, err, test.want)
			}
			if c := got.Canonical(); c.String() != test.canonical {
				t.Errorf("%q is canonically %q, want %q", test.in, c, test.canonical)
			}
			// Printing: what was written, where Flux left the tag out beside a digest.
			if got.String() != test.in {
				t.Errorf("%q is written as %q", test.in, got)
			}
			again, err := Parse(test.canonical)
			if err != nil || again != got.Canonical() || !Equal(got, again) || !SameRepository(got, again) {
				t.Errorf("%q and its canonical form are not the same image: %+v, %v", test.in, again, err)
			}
			if with := got.WithTag("other"); !strings.HasPrefix(with.String(), got.Name()+":other") || !SameRepository(with, got) {
				t.Errorf("%q at another tag is %q", test.in, with)
			}
		})
	}
}
