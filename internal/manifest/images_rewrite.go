package manifest

import (
	"errors"
	"fmt"
	"strings"

	"github.com/sluice-gitops/sluice/internal/imageref"
)

// FieldEdit is what becomes of one scalar. New is always a string: where YAML would read it as a
// number it has to be quoted.
type FieldEdit struct {
	Role Role
	Path []any
	// Old and New are the scalar's text before and after; Old is empty for null too.
	Old, New string
}

// Rewrite says which of an image's scalars become what, so that together they make the new
// reference. Scalars that stay as they are are not listed. The split between registry and
// repository stays where it was written, as far as the new reference allows. It fails where the
// fields cannot hold the new reference, such as a digest without tag beside a tag's field.
func Rewrite(fields []Field, ref string) ([]FieldEdit, error) {
	edits, err := rewrite(fields, ref)
	if err != nil {
		return nil, fmt.Errorf("rewriting %s to %s: %w", join(fields), ref, err)
	}
	return edits, nil
}

func rewrite(fields []Field, text string) ([]FieldEdit, error) {
	ref, err := imageref.Parse(text)
	if err != nil {
		return nil, err
	}
	after := make([]Field, len(fields))
	copy(after, fields)
	name, version := ref.Name(), strings.TrimPrefix(text, ref.Name())
	for i, f := range after {
		if f.Role == RoleDigest {
			if ref.Digest == "" {
				return nil, errors.New("the field for the digest would keep the old one")
			}
			after[i].Value, version = ref.Digest, strings.TrimSuffix(version, "@"+ref.Digest)
		}
	}
	for i, f := range after {
		switch f.Role {
		case RoleRegistry:
			after[i].Value, name = splitName(ref, f.Value)
		case RoleTag:
			tag, ok := strings.CutPrefix(version, ":")
			if !ok && version != "" {
				return nil, errors.New("a digest without a tag does not fit beside a field for the tag")
			}
			after[i].Value, version = tag, ""
		}
	}
	for i, f := range after {
		if f.Role == RoleImage || f.Role == RoleRepository {
			after[i].Value = name + version
		}
	}
	if got, err := imageref.Parse(join(after)); err != nil || !imageref.Equal(got, ref) {
		return nil, fmt.Errorf("its fields would make %q", join(after))
	}
	return compare(fields, after), nil
}

// splitName parts a reference's name for a registry's field that holds old: at the same place
// where it can, so that a field such as "quay.io/team" or "myteam" keeps its value.
func splitName(ref imageref.Ref, old string) (registry, rest string) {
	if rest, ok := strings.CutPrefix(ref.Name(), old+"/"); ok {
		return old, rest
	}
	if ref.Registry != "" {
		return ref.Registry, ref.Repository
	}
	return "docker.io", ref.Canonical().Repository
}

func compare(before, after []Field) []FieldEdit {
	var edits []FieldEdit
	for i, f := range before {
		if f.Value != after[i].Value {
			edits = append(edits, FieldEdit{Role: f.Role, Path: f.Path, Old: f.Value, New: after[i].Value})
		}
	}
	return edits
}
