package gitrepo

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
)

// maxPacks is how many packs a store has before they become one. Each fetch with news and each push
// adds one, and every reading looks into all of their indexes.
const maxPacks = 50

// listPacks gives the names of the store's packs, without their extension.
func (s *Store) listPacks() ([]string, error) {
	files, err := filepath.Glob(filepath.Join(s.packs(), "pack-*.pack"))
	for i, file := range files {
		files[i] = strings.TrimSuffix(file, ".pack")
	}
	return files, err
}

// crowded gives the packs that are to be replaced by one, none where they are few, and what to ask
// the server for to that end: what is missing, and what was noted and is still there. It leaves
// things as they are where something is asked for that the server does not list.
func (r *Repo) crowded(refs *packp.AdvRefs, missing []plumbing.Hash) (old []string, want []plumbing.Hash) {
	packs, err := r.listPacks()
	if err != nil || len(packs) <= maxPacks {
		return nil, nil
	}
	listed := map[plumbing.Hash]bool{}
	for _, h := range refs.References {
		listed[h] = true
	}
	for _, h := range missing {
		if !listed[h] {
			return nil, nil
		}
	}
	want = slices.Clone(missing)
	for _, tip := range r.tips() {
		if h, ok := parseHash(tip); ok && listed[h] && !slices.Contains(want, h) {
			want = append(want, h)
		}
	}
	return packs, want
}

// discard removes packs whose content has come anew in the one that is whole, and forgets what only
// they held: branches that the server has no longer. A reader that is at it finds its objects in the
// new pack.
func (r *Repo) discard(old []string, whole string) {
	for _, name := range old {
		if name != whole {
			_ = os.Remove(name + ".pack")
			_ = os.Remove(name + ".idx")
		}
	}
	r.reopen()
	notes, _ := filepath.Glob(filepath.Join(r.dir, refFolder, "*"))
	for _, note := range notes {
		text, _ := os.ReadFile(note)
		if h, ok := parseHash(strings.TrimSpace(string(text))); !ok || !r.has(h) {
			_ = os.Remove(note)
		}
	}
}
