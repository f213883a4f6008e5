package manifest

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// AnnotationEdit is one annotation of an object that is set, or deleted.
type AnnotationEdit struct {
	Key    string
	Value  string // empty for one that is deleted
	Delete bool
}

// SetPolicy says which annotations of an object, decoded from JSON, come, change and go so that a
// policy has a value: automated, locked, locked_user, locked_msg, ignore, or tag.CONTAINER. An empty
// value takes the policy away. Where an annotation says it already, that one's key is kept, the
// legacy flux.weave.works and filter.fluxcd.io ones too; a new key is fluxcd.io's. Of several the
// one that counts is kept, and the others go, for other programs may go by those. It fails where
// the policy is none of these, or cannot have the value.
func SetPolicy(object map[string]any, policy, value string) ([]AnnotationEdit, error) {
	if err := checkPolicy(policy, value); err != nil {
		return nil, fmt.Errorf("setting the policy %s: %w", policy, err)
	}
	noted, _ := lookup(object, []any{"metadata", "annotations"}).(map[string]any)
	keys := policyKeys(policy)
	kept := keys[0]
	if at := slices.IndexFunc(keys, func(key string) bool { return noted[key] != nil }); at >= 0 {
		kept = keys[at]
	}
	var edits []AnnotationEdit
	for _, key := range keys {
		old, there := noted[key]
		switch {
		case key == kept && value != "":
			if old != value {
				edits = append(edits, AnnotationEdit{Key: key, Value: value})
			}
		case there:
			edits = append(edits, AnnotationEdit{Key: key, Delete: true})
		}
	}
	return edits, nil
}

// policyKeys are the annotations that a policy is read from; the first one wins.
func policyKeys(policy string) []string {
	keys := []string{prefixes[0] + policy}
	if container, ok := strings.CutPrefix(policy, "tag."); ok {
		keys = append(keys, "filter.fluxcd.io/"+container)
	}
	return append(keys, prefixes[1]+policy)
}

// annotationName is what Kubernetes lets stand behind the slash of an annotation's key.
var annotationName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$`)

func checkPolicy(policy, value string) error {
	allowed := map[string][]string{
		"automated": {"true"}, "locked": {"true"}, "ignore": {"true", "sync_only"}, "locked_user": nil, "locked_msg": nil,
	}
	values, known := allowed[policy]
	container, tag := strings.CutPrefix(policy, "tag.")
	switch {
	case tag && container == "":
		return errors.New("no container is named")
	case tag && !annotationName.MatchString(policy):
		return fmt.Errorf("no annotation can have the name %q", policy)
	case !tag && !known:
		return errors.New("there is no such policy")
	case value != "" && values != nil && !slices.Contains(values, value):
		return fmt.Errorf("it cannot be %q, only %q", value, values)
	}
	return nil
}
