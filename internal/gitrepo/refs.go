package gitrepo

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
)

// target is what a fetch is after.
type target struct {
	name   string          // under which the result is noted
	branch string          // set when it is a branch
	want   []plumbing.Hash // what to ask the server for
	tip    plumbing.Hash   // the commit or tag to end at; zero when prefix is set
	prefix string          // the beginning of a commit id, to be looked for in what came
	any    []plumbing.Hash // what to ask for when the server does not give want
}

var commitID = regexp.MustCompile(`^[0-9a-f]{7,40}$`)

func findRef(refs *packp.AdvRefs, ref string) (target, error) {
	for _, name := range []string{ref, "refs/heads/" + ref, "refs/tags/" + ref} {
		if h, ok := refs.References[name]; ok && strings.HasPrefix(name, "refs/") {
			branch, _ := strings.CutPrefix(name, "refs/heads/")
			if branch == name {
				branch = ""
			}
			return target{name: name, branch: branch, want: []plumbing.Hash{h}, tip: h}, nil
		}
	}
	if !commitID.MatchString(ref) {
		return target{}, &fault{code: CodeNotFound, cause: ErrNotFound,
			text: "there is no branch or tag " + ref, hint: branchHint(refs)}
	}
	var all []plumbing.Hash
	for name, h := range refs.References {
		if strings.HasPrefix(name, "refs/heads/") || strings.HasPrefix(name, "refs/tags/") {
			all = append(all, h)
		}
	}
	plumbing.HashesSort(all)
	all = slices.Compact(all)
	if h, ok := parseHash(ref); ok {
		return target{name: ref, want: []plumbing.Hash{h}, tip: h, any: all}, nil
	}
	return target{name: ref, want: all, prefix: ref}, nil
}

func headBranch(refs *packp.AdvRefs) (string, error) {
	for _, sym := range refs.Capabilities.Get(capability.SymRef) {
		if name, ok := strings.CutPrefix(sym, "HEAD:refs/heads/"); ok {
			return name, nil
		}
	}
	// Servers too old to say what HEAD names: the usual branches first.
	for _, branch := range append([]string{"main", "master"}, branches(refs)...) {
		if h, ok := refs.References["refs/heads/"+branch]; ok && refs.Head != nil && h == *refs.Head {
			return branch, nil
		}
	}
	return "", &fault{code: CodeNotFound, cause: ErrNotFound,
		text: "the remote's HEAD names no branch", hint: "name one with --branch; " + branchHint(refs)}
}

func branches(refs *packp.AdvRefs) []string {
	var names []string
	for name := range refs.References {
		if branch, ok := strings.CutPrefix(name, "refs/heads/"); ok {
			names = append(names, branch)
		}
	}
	slices.Sort(names)
	return names
}

func branchHint(refs *packp.AdvRefs) string {
	names := branches(refs)
	if len(names) > 10 {
		names = append(names[:10], "…")
	}
	return "the remote's branches are: " + strings.Join(names, ", ")
}

// peel follows tags to the commit.
func (r *Repo) peel(t target) (plumbing.Hash, error) {
	h := t.tip
	if t.prefix != "" {
		found := r.withPrefix(t.prefix)
		if len(found) != 1 {
			return h, &fault{code: CodeNotFound, cause: ErrNotFound,
				text: fmt.Sprintf("%d commits begin with %s", len(found), t.prefix), hint: "give the commit id in full"}
		}
		return found[0], nil
	}
	for range 10 {
		text, err := r.object(plumbing.TagObject, h, maxMeta)
		if errors.Is(err, ErrNotFound) {
			return h, nil // not a tag; a missing commit shows when it is read
		}
		if err != nil {
			return h, err
		}
		if !bytes.HasPrefix(text, []byte("object ")) {
			return h, fmt.Errorf("reading tag %s: it names no object", h)
		}
		h, _ = parseHash(header(text, "object"))
	}
	return h, fmt.Errorf("following tag %s: tags are nested too deep", t.name)
}

// withPrefix returns the commits in the store whose id begins with prefix.
func (s *Store) withPrefix(prefix string) []plumbing.Hash {
	even, _ := parsePrefix(prefix)
	s.mu.Lock()
	found, _ := s.raw.HashesWithPrefix(even)
	s.mu.Unlock()
	var commits []plumbing.Hash
	for _, h := range found {
		if !strings.HasPrefix(h.String(), prefix) || slices.Contains(commits, h) {
			continue
		}
		if _, err := s.object(plumbing.CommitObject, h, maxMeta); err == nil {
			commits = append(commits, h)
		}
	}
	return commits
}

// parsePrefix returns the whole bytes of a hexadecimal prefix.
func parsePrefix(prefix string) ([]byte, bool) {
	padded := prefix + strings.Repeat("0", 40-len(prefix))
	h, ok := parseHash(padded)
	return h[:len(prefix)/2], ok
}
