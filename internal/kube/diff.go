package kube

import (
	"bytes"
	"context"
	"encoding/json"
	"regexp"
	"slices"
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
	annotations, _ := metadata["annotations"].(map[string]any)
	for name, value := range annotations {
		// A copy of the object, as kubectl and others keep it, its values included.
		if text, _ := value.(string); name == lastApplied || object["kind"] == "Secret" && strings.HasPrefix(strings.TrimSpace(text), "{") {
			annotations[name] = hidden
		}
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
	reference  = regexp.MustCompile(`(?i)(name|names|namespace|ref|refs|path|file|expirationseconds|projected)$`)
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

// maskNamed hides what is named like a credential, anywhere: what is under such a key, the value of an
// environment variable of such a name, a program's argument; and passwords in URLs.
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
	// From the end, for what goes before an argument tells what it is.
	for i := max(len(x), len(y)) - 1; i >= 0; i-- {
		one, other := withoutLogins(withoutArguments(at(x, i), at(y, i), at(x, i-1), at(y, i-1)))
		if i < len(x) {
			x[i] = one
		}
		if i < len(y) {
			y[i] = other
		}
	}
}

func maskField(a, b map[string]any, key string) {
	named := isCredential(key)
	if key == "value" {
		named = credential.MatchString(text(a, "name") + text(b, "name"))
	}
	if named && (tells(a[key]) || tells(b[key])) {
		mask(a, b, key)
		return
	}
	maskNamed(a[key], b[key])
	one, other := withoutLogins(a[key], b[key])
	if _, there := a[key]; there {
		a[key] = one
	}
	if _, there := b[key]; there {
		b[key] = other
	}
}

func isCredential(name string) bool {
	return credential.MatchString(name) && !reference.MatchString(name)
}

// tells says whether a value may be a credential itself: a text, a number, a list of these.
func tells(value any) bool {
	switch v := value.(type) {
	case string, json.Number:
		return true
	case []any:
		return slices.ContainsFunc(v, tells)
	}
	return false
}

// withoutArguments hides what a program's argument says after a flag that is named like a credential, in
// one with it (--token=x) or as the next one.
func withoutArguments(was, is, beforeWas, beforeIs any) (any, any) {
	nameWas, valueWas := argument(was, beforeWas)
	nameIs, valueIs := argument(is, beforeIs)
	first, second := hidden, hidden
	if valueWas != "" && valueIs != "" && valueWas != valueIs {
		first, second = hiddenBefore, hiddenAfter
	}
	if valueWas != "" {
		was = nameWas + first
	}
	if valueIs != "" {
		is = nameIs + second
	}
	return was, is
}

// argument splits an argument that holds a credential; the value is empty for any other.
func argument(one, before any) (name, value string) {
	words, _ := one.(string)
	flag, _ := before.(string)
	name, value, joined := strings.Cut(words, "=")
	switch {
	case strings.HasPrefix(words, "-") && joined && isCredential(name):
		return name + "=", value
	case strings.HasPrefix(flag, "-") && !strings.Contains(flag, "=") && isCredential(flag) && !strings.HasPrefix(words, "-"):
		return "", words
	}
	return "", ""
}

// login is the password of a URL.
var login = regexp.MustCompile(`(://[^/\s:@]*:)[^/\s@]+@`)

// withoutLogins hides the passwords of URLs in two texts.
func withoutLogins(was, is any) (any, any) {
	x, wasText := was.(string)
	y, isText := is.(string)
	first, second := hidden, hidden
	if wasText && isText && !slices.Equal(login.FindAllString(x, -1), login.FindAllString(y, -1)) {
		first, second = hiddenBefore, hiddenAfter
	}
	if wasText {
		was = login.ReplaceAllString(x, "${1}"+first+"@")
	}
	if isText {
		is = login.ReplaceAllString(y, "${1}"+second+"@")
	}
	return was, is
}

func at(list []any, i int) any {
	if i >= 0 && i < len(list) {
		return list[i]
	}
	return nil
}
