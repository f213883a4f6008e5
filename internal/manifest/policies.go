package manifest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Policies are what the annotations of a workload ask for.
type Policies struct {
	// Automated asks for new images.
	Automated bool
	// Locked forbids them.
	Locked bool
	// Ignored takes the workload out of everything.
	Ignored bool
	// Tags are the policies for choosing a tag, by container.
	Tags map[string]TagPolicy
	// Doubts name what looks like a policy and has no effect, for people.
	Doubts []string
}

// TagPolicy is one container's policy for choosing a tag, as it is written.
type TagPolicy struct {
	// Expr is the annotation's value, for example "semver:~1.2".
	Expr string
	// Key is the annotation's key, for example "fluxcd.io/tag.web".
	Key string
}

// ReadPolicies reads the annotations of the object itself, not those of a pod template. Where
// several prefixes give the same policy, fluxcd.io wins over filter.fluxcd.io, and that over the
// legacy flux.weave.works.
func ReadPolicies(object map[string]any) Policies {
	p := Policies{Tags: map[string]TagPolicy{}}
	notes := annotations(object)
	p.Automated = p.boolean(notes, "automated", nil)
	p.Locked = p.boolean(notes, "locked", nil)
	p.Ignored = p.boolean(notes, "ignore", []string{"sync_only"})
	for _, prefix := range []string{"flux.weave.works/tag.", "filter.fluxcd.io/", "fluxcd.io/tag."} {
		for _, key := range slices.Sorted(maps.Keys(notes)) {
			if container, ok := strings.CutPrefix(key, prefix); ok && container != "" {
				p.Tags[container] = TagPolicy{Expr: notes[key], Key: key}
			}
		}
	}
	return p
}

// boolean is true only for the exact text "true". Other texts than "false" and those known are
// doubted.
func (p *Policies) boolean(notes map[string]string, name string, known []string) bool {
	for _, prefix := range []string{"fluxcd.io/", "flux.weave.works/"} {
		value, there := notes[prefix+name]
		if !there {
			continue
		}
		if value != "true" && value != "false" && !slices.Contains(known, value) {
			p.Doubts = append(p.Doubts, fmt.Sprintf("the annotation %s%s has no effect: it says %q, only \"true\" counts", prefix, name, value))
		}
		return value == "true"
	}
	return false
}

// Strays are the tag policies whose container is not among the names, by their keys.
func (p Policies) Strays(names []string) []TagPolicy {
	var strays []TagPolicy
	for _, container := range slices.Sorted(maps.Keys(p.Tags)) {
		if !slices.Contains(names, container) {
			strays = append(strays, p.Tags[container])
		}
	}
	return strays
}

// annotations reads an object's annotations. Kubernetes wants strings; a scalar of another type is
// read as its text, as Flux did, so that an unquoted true counts.
func annotations(object map[string]any) map[string]string {
	notes := map[string]string{}
	written, _ := lookup(object, []any{"metadata", "annotations"}).(map[string]any)
	for key, value := range written {
		switch v := value.(type) {
		case string:
			notes[key] = v
		case bool:
			notes[key] = strconv.FormatBool(v)
		case json.Number:
			notes[key] = v.String()
		}
	}
	return notes
}
