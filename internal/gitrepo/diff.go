package gitrepo

import (
	"fmt"
	"maps"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"
)

// proveOnly compares two trees in the store, as they would be read by anybody else, and fails
// unless they differ in exactly the planned files and each of those holds the planned blob.
func (s *Store) proveOnly(before, after plumbing.Hash, plan map[string]plumbing.Hash) error {
	rest := maps.Clone(plan)
	err := s.diffTrees("", before, after, func(name string, old, now entry) error {
		want, planned := rest[name]
		delete(rest, name)
		sameKind := old.mode == now.mode || old.mode == 0 && now.mode == modeFile
		if !planned || now.hash != want || !sameKind {
			return fmt.Errorf("refusing to commit: %s would change, which is not planned", name)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return fmt.Errorf("refusing to commit: %s would not change, although planned", slices.Min(slices.Collect(maps.Keys(rest))))
	}
	return nil
}

// diffTrees calls differ for every file, link or module that is not the same in both trees. What
// is missing on one side has mode 0 there. Only folders that differ are read.
func (s *Store) diffTrees(dir string, a, b plumbing.Hash, differ func(name string, old, now entry) error) error {
	if a == b {
		return nil
	}
	left, err := s.entriesByName(dir, a)
	if err != nil {
		return err
	}
	right, err := s.entriesByName(dir, b)
	if err != nil {
		return err
	}
	names := maps.Clone(left)
	maps.Copy(names, right)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if err := s.diffEntry(joinRaw(dir, name), left[name], right[name], differ); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) diffEntry(name string, old, now entry, differ func(name string, old, now entry) error) error {
	if old.mode == now.mode && old.hash == now.hash {
		return nil
	}
	// A folder is its files: one that took the place of a file, or lost it, is both changes.
	var oldTree, newTree plumbing.Hash
	if old.dir() {
		oldTree, old = old.hash, entry{}
	}
	if now.dir() {
		newTree, now = now.hash, entry{}
	}
	if old != now {
		if err := differ(name, old, now); err != nil {
			return err
		}
	}
	return s.diffTrees(name, oldTree, newTree, differ)
}

func (s *Store) entriesByName(dir string, tree plumbing.Hash) (map[string]entry, error) {
	byName := map[string]entry{}
	if tree.IsZero() {
		return byName, nil
	}
	entries, err := s.readTree(tree)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if _, twice := byName[e.name]; twice {
			return nil, fmt.Errorf("comparing trees: %s is there twice", joinRaw(dir, e.name))
		}
		byName[e.name] = e
	}
	return byName, nil
}
