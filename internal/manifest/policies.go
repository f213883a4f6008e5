package manifest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// prefixes are those of Flux's policies; the first one wins.
var prefixes = []string{"fluxcd.io/", "flux.weave.works/"}

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

	ages map[string]written // by container; those for all of them under ""
}

// written is an annotation.
type written struct{ key, value string }

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
	p.forAll(notes)
	p.readAges(notes)
	for _, prefix := range []string{"flux.weave.works/tag.", "filter.fluxcd.io/", "fluxcd.io/tag."} {
		for _, key := range slices.Sorted(maps.Keys(notes)) {
			if container, ok := strings.CutPrefix(key, prefix); ok && container != "" {
				p.outdone(notes, p.Tags[container].Key, key)
				p.Tags[container] = TagPolicy{Expr: notes[key], Key: key}
			}
		}
	}
	return p
}

// outdone doubts an annotation that another one wins over, where they do not agree.
func (p *Policies) outdone(notes map[string]string, loser, winner string) {
	if value, there := notes[loser]; there && value != notes[winner] {
		p.Doubts = append(p.Doubts, fmt.Sprintf("the annotation %s has no effect: %s counts", loser, winner))
	}
}

// boolean is true only for the exact text "true". Other texts than "false" and those known are
// doubted.
func (p *Policies) boolean(notes map[string]string, name string, known []string) bool {
	key, legacy := prefixes[0]+name, prefixes[1]+name
	value, there := notes[key]
	if there {
		p.outdone(notes, legacy, key)
	} else if value, there = notes[legacy]; there {
		key = legacy
	}
	if there && value != "true" && value != "false" && !slices.Contains(known, value) {
		p.Doubts = append(p.Doubts, fmt.Sprintf("the annotation %s has no effect: it says %q, only \"true\" counts", key, value))
	}
	return value == "true"
}

// forAll doubts the policy that Flux's API had for the tags of all containers: it turned it into one
// for each, so in a file it says nothing.
func (p *Policies) forAll(notes map[string]string) {
	for _, prefix := range prefixes {
		if _, there := notes[prefix+"tag_all"]; there {
			p.Doubts = append(p.Doubts, fmt.Sprintf("the annotation %stag_all has no effect: write fluxcd.io/tag.CONTAINER for each container", prefix))
		}
	}
}

// minAge is the annotation for the age that a tag must have; with a dot and a name behind it, for
// that container alone.
const minAge = "sluice.dev/min-age"

func (p *Policies) readAges(notes map[string]string) {
	for key, value := range notes {
		container, one := strings.CutPrefix(key, minAge+".")
		if key != minAge && (!one || container == "") {
			continue
		}
		if p.ages == nil {
			p.ages = map[string]written{}
		}
		if !one {
			container = "" // nothing was cut
		}
		p.ages[container] = written{key, value}
	}
}

// MinAge is the age that a tag must have before a container gets it, and the annotation's key that
// says so: the container's own, or the one for all containers. The key is empty where none does. It
// fails where the annotation's value is no duration as Go writes it, or below zero.
func (p Policies) MinAge(container string) (age time.Duration, key string, err error) {
	note, own := p.ages[container]
	if !own {
		note = p.ages[""]
	}
	if note.key == "" {
		return 0, "", nil
	}
	age, err = time.ParseDuration(note.value)
	if err != nil || age < 0 {
		return 0, note.key, fmt.Errorf("reading the annotation %s: %q is no age such as 24h or 90m", note.key, note.value)
	}
	return age, note.key, nil
}

// Strays are the policies of containers that are not among the names, by container.
func (p Policies) Strays(names []string) []TagPolicy {
	var strays []TagPolicy
	for _, container := range slices.Sorted(maps.Keys(p.Tags)) {
		if !slices.Contains(names, container) {
			strays = append(strays, p.Tags[container])
		}
	}
	for _, container := range slices.Sorted(maps.Keys(p.ages)) {
		if container != "" && !slices.Contains(names, container) {
			strays = append(strays, TagPolicy{Expr: p.ages[container].value, Key: p.ages[container].key})
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
