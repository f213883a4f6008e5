package kube

import (
	"bytes"
	"context"
	"encoding/json"
	"regexp"
	"strings"

	"sigs.k8s.io/yaml"
)

// Change is what became of an object, or under a dry run would, as people may see it: as YAML, without
// what the API server keeps for itself, and without the values of Secrets and of what is named like a
// credential. Where such a value differs, that it does is said.
type Change struct {
	Before []byte // empty for an object that was not there
	After  []byte
}

// NewChange makes what people may see of an object, as the API server gives it, before and after; before
// is nil where there was none.
func NewChange(before, after json.RawMessage) (*Change, error) {
	was, err := readable(before)
	if err != nil {
		return nil, err
	}
	is, err := readable(after)
	if err != nil {
		return nil, err
	}
	secret := is["kind"] == "Secret" && is["apiVersion"] == "v1"
	for _, field := range []string{"data", "stringData"} {
		if secret {
			mask(was, is, field)
		}
	}
	maskNamed(was, is)
	c := &Change{}
	if was != nil {
		if c.Before, err = plainYAML(was); err != nil {
			return nil, err
		}
	}
	c.After, err = plainYAML(is)
	return c, err
}

// look reads an object as it is, for a diff; nil where there is none, or none is asked for.
func (s *Sync) look(ctx context.Context, it *item) (object json.RawMessage, err error) {
	if !s.Diff || it.live == nil {
		return nil, nil
	}
	_, err = s.Client.Get(ctx, it.resource, it.id.Namespace, it.id.Name, &object)
	return object, err
}

// compare notes what has changed. What cannot be read for people is not shown to them.
func (it *item) compare(action Action, before, after json.RawMessage) {
	if before == nil && it.live != nil || action == Unchanged {
		return
	}
	if c, err := NewChange(before, after); err == nil && !bytes.Equal(c.Before, c.After) {
		it.change = c
	}
}

func plainYAML(object map[string]any) ([]byte, error) {
	raw, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	return yaml.JSONToYAML(raw)
}

// readable decodes an object without what is not its writer's; nil for none.
func readable(raw json.RawMessage) (map[string]any, error) {
	if raw == nil {
		return nil, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var object map[string]any
	if err := decoder.Decode(&object); err != nil {
		return nil, err
	}
	delete(object, "status")
	metadata, _ := object["metadata"].(map[string]any)
	for _, key := range append(serverFields, "deletionTimestamp", "deletionGracePeriodSeconds") {
		delete(metadata, key)
	}
	if annotations, _ := metadata["annotations"].(map[string]any); annotations[lastApplied] != nil {
		annotations[lastApplied] = hidden // a copy of the object, Secrets included
	}
	return object, nil
}

// What stands in place of a value.
const (
	hidden       = "***"
	hiddenBefore = "*** (before)"
	hiddenAfter  = "*** (after)"
)

// credential is a key whose value is nobody's business. A reference names where one is kept.
var (
	credential = regexp.MustCompile(`(?i)(passw|secret|token|api-?_?key|credential|private-?_?key)`)
	reference  = regexp.MustCompile(`(?i)(name|names|namespace|ref|refs|path|expirationseconds|projected)$`)
)

// mask hides all the values under a key on both sides.
func mask(was, is map[string]any, key string) {
	a, b := hide(was[key], is[key])
	if _, there := was[key]; there {
		was[key] = a
	}
	if _, there := is[key]; there {
		is[key] = b
	}
}

// hide gives two values without their texts. What is on one side only is hidden plainly.
func hide(was, is any) (any, any) {
	a, wasMap := was.(map[string]any)
	b, isMap := is.(map[string]any)
	switch {
	case wasMap || isMap:
		if wasMap != isMap && was != nil && is != nil {
			return hiddenBefore, hiddenAfter
		}
		for key := range a {
			mask(a, b, key)
		}
		for key := range b {
			if _, there := a[key]; !there {
				mask(a, b, key)
			}
		}
		return was, is
	case was == nil || is == nil || same(was, is):
		return hidden, hidden
	}
	return hiddenBefore, hiddenAfter
}

func same(a, b any) bool {
	one, err := json.Marshal(a)
	other, err2 := json.Marshal(b)
	return err == nil && err2 == nil && bytes.Equal(one, other)
}

// maskNamed hides what is named like a credential, anywhere: texts under such a key, and the value of
// an environment variable of such a name.
func maskNamed(was, is any) {
	a, _ := was.(map[string]any)
	b, _ := is.(map[string]any)
	for key := range a {
		maskField(a, b, key)
	}
	for key := range b {
		if _, done := a[key]; !done {
			maskField(a, b, key)
		}
	}
	x, _ := was.([]any)
	y, _ := is.([]any)
	for i := range max(len(x), len(y)) {
		maskNamed(at(x, i), at(y, i))
	}
}

func maskField(a, b map[string]any, key string) {
	value := a[key]
	if value == nil {
		value = b[key]
	}
	_, isText := value.(string)
	named := credential.MatchString(key) && !reference.MatchString(key)
	if key == "value" {
		named = credential.MatchString(text(a, "name") + text(b, "name"))
	}
	if isText && named && !strings.HasPrefix(value.(string), hidden) {
		mask(a, b, key)
		return
	}
	maskNamed(a[key], b[key])
}

func at(list []any, i int) any {
	if i < len(list) {
		return list[i]
	}
	return nil
}
