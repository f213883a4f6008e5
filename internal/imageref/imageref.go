// Package imageref reads and writes references to container images.
//
// A reference is [registry/]repository[:tag][@digest]. The registry is told from the first
// element of the repository by the rule that container runtimes follow: it is a host where it
// holds a dot or a colon, or is "localhost", and something comes after it. So registry:5000/foo
// lies on the host registry:5000, and a/b/c is a path of Docker Hub.
package imageref

import (
	"errors"
	"fmt"
	"strings"
)

// Hub is the canonical host of Docker Hub, where a reference that names no host lies.
const Hub = "index.docker.io"

// Ref is an image reference with its parts as they were written.
type Ref struct {
	// Registry is host or host:port; empty where none is written.
	Registry string
	// Repository is the path within the registry.
	Repository string
	// Tag is empty where none is written.
	Tag string
	// Digest is algorithm:hex; empty where none is written.
	Digest string
}

// Parse reads a reference. It is strict about characters, so that a template or a sentence is
// no reference.
func Parse(s string) (Ref, error) {
	ref, err := parse(s)
	if err != nil {
		return Ref{}, fmt.Errorf("parsing image reference %q: %w", s, err)
	}
	return ref, nil
}

func parse(s string) (Ref, error) {
	if s == "" {
		return Ref{}, errors.New("it is empty")
	}
	var ref Ref
	name, digest, pinned := strings.Cut(s, "@")
	if pinned {
		if err := checkDigest(digest); err != nil {
			return Ref{}, err
		}
		ref.Digest = digest
	}
	ref.Registry, name = splitRegistry(name)
	name, tag, tagged := strings.Cut(name, ":")
	if tagged {
		if err := CheckTag(tag); err != nil {
			return Ref{}, err
		}
		ref.Tag = tag
	}
	ref.Repository = name
	if err := checkRegistry(ref.Registry); err != nil {
		return Ref{}, err
	}
	if len(ref.Canonical().Repository) > maxName {
		return Ref{}, fmt.Errorf("the repository has more than %d characters", maxName)
	}
	return ref, checkRepository(name)
}

// splitRegistry parts the host from the rest of a name.
func splitRegistry(name string) (registry, rest string) {
	first, rest, more := strings.Cut(name, "/")
	if more && (strings.ContainsAny(first, ".:") || first == "localhost") {
		return first, rest
	}
	return "", name
}

// String writes the reference with every part that it has.
func (r Ref) String() string {
	s := r.Name()
	if r.Tag != "" {
		s += ":" + r.Tag
	}
	if r.Digest != "" {
		s += "@" + r.Digest
	}
	return s
}

// Name is the reference without tag and digest, spelled as it was written.
func (r Ref) Name() string {
	if r.Registry == "" {
		return r.Repository
	}
	return r.Registry + "/" + r.Repository
}

// WithTag is the same image at another tag. A digest would belong to the old tag and is dropped.
func (r Ref) WithTag(tag string) Ref {
	r.Tag, r.Digest = tag, ""
	return r
}

// Canonical spells the reference in the one way that all spellings of it share: with its host,
// Docker Hub being index.docker.io, and with library/ before Hub's official images.
func (r Ref) Canonical() Ref {
	r.Registry = strings.ToLower(r.Registry)
	if r.Registry == "" || r.Registry == "docker.io" {
		r.Registry = Hub
	}
	if r.Registry == Hub && !strings.Contains(r.Repository, "/") {
		r.Repository = "library/" + r.Repository
	}
	return r
}

// SameRepository says that two references, however spelled, name the same repository.
func SameRepository(a, b Ref) bool {
	return a.Canonical().Name() == b.Canonical().Name()
}

// Equal says that two references, however spelled, name the same image.
func Equal(a, b Ref) bool { return a.Canonical() == b.Canonical() }
