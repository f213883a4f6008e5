package main

import (
	"fmt"
	"slices"
)

// check reads the edited file as git-fetch would: it must hold the objects that it held, and
// only those that were edited, or share an anchor with one, may have changed.
func (e *edited) check(path string, picks []*planned) error {
	e.afterwards = readFile(picks[0].pick.Source, path, e.after).objects
	if len(e.afterwards) != len(e.objects) {
		return fmt.Errorf("the edited file would hold %d objects, not %d", len(e.afterwards), len(e.objects))
	}
	for i, before := range e.objects {
		after := e.afterwards[i]
		if after.ID != before.ID || !after.at(before.Place) {
			return fmt.Errorf("%s would become %s", before.ID, after.ID)
		}
		if after.Sum != before.Sum && !touched(before, picks) {
			return fmt.Errorf("%s would change, and no pick is about it", before.ID)
		}
		if err := after.holds(picks); err != nil {
			return err
		}
	}
	return nil
}

// holds says whether an edited object has what its picks wanted.
func (o object) holds(picks []*planned) error {
	var decoded any
	for _, p := range picks {
		if len(p.edits) == 0 || !o.at(p.pick.Place) {
			continue
		}
		if decoded == nil {
			decoded = o.decoded()
		}
		for _, w := range p.wanted {
			switch value := follow(decoded, w.path); {
			case value == w.text:
			case w.text == nil:
				return fmt.Errorf("%s would still hold %v", o.ID, value)
			default:
				return fmt.Errorf("%s would not hold %s where it should", o.ID, w.text)
			}
		}
	}
	return nil
}

// follow leads along a path of keys and indexes; nil where it ends early.
func follow(value any, path []any) any {
	for _, step := range path {
		switch at := value.(type) {
		case map[string]any:
			key, _ := step.(string)
			value = at[key]
		case []any:
			i, ok := step.(int)
			if f, fromJSON := step.(float64); fromJSON {
				i, ok = int(f), true
			}
			if !ok || i < 0 || i >= len(at) {
				return nil
			}
			value = at[i]
		default:
			return nil
		}
	}
	return value
}

// touched says whether an edit may have changed an object: one of its own, or one in its
// document that goes through an anchor.
func touched(o object, picks []*planned) bool {
	return slices.ContainsFunc(picks, func(p *planned) bool {
		return len(p.edits) > 0 && (o.at(p.pick.Place) || len(p.shared) > 0 && o.Doc == p.pick.Doc)
	})
}

// spans are the lines that a file's objects take up, for the diff.
func spans(objects []object, picks []*planned) []span {
	var list []span
	for i, o := range objects {
		s := span{first: o.Line, last: 1 << 30, secret: o.secret(), edited: touched(o, picks)}
		if i+1 < len(objects) {
			s.last = objects[i+1].Line - 1
			if s.secret || s.last < s.first {
				s.last++ // in flow style the next object may start on the last line of this one
			}
		}
		list = append(list, s)
	}
	return list
}
