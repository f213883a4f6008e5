package manifest

import (
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"
)

// kustomizeGroup is that of files which tell the kustomize program what to build.
const kustomizeGroup = "kustomize.config.k8s.io"

// objects reads the objects of one document.
func (d document) objects() ([]Object, []*Fault) {
	root, fault := d.root()
	if fault != nil {
		return nil, []*Fault{fault}
	}
	if root == nil || isNull(root) {
		return nil, nil
	}
	c := &converter{before: d.before}
	if root.Kind != yaml.MappingNode {
		return nil, []*Fault{c.faultf(root, "the document is %s, not an object", kindName(root))}
	}
	if !objectLike(root) {
		return nil, nil
	}
	if items, ok := listItems(root); ok {
		return c.list(root, items)
	}
	o, fault := c.object(root)
	if fault != nil {
		return nil, []*Fault{fault}
	}
	if o == nil {
		return nil, nil
	}
	return []Object{*o}, nil
}

// objectLike reports whether a mapping has anything by which objects are known.
func objectLike(n *yaml.Node) bool {
	return field(n, "kind") != nil || field(n, "apiVersion") != nil || field(n, "metadata") != nil
}

// listItems returns the items of a document that is a list of objects. A custom resource whose
// kind merely ends in List is none: it has a name of its own and no objects as items.
func listItems(n *yaml.Node) ([]*yaml.Node, bool) {
	kind := plain(field(n, "kind"))
	items := deref(field(n, "items"))
	if !strings.HasSuffix(kind, "List") || items == nil || items.Kind != yaml.SequenceNode {
		return nil, false
	}
	if kind == "List" || plain(field(deref(field(n, "metadata")), "name")) == "" {
		return items.Content, true
	}
	for _, item := range items.Content {
		if m := deref(item); m.Kind == yaml.MappingNode && (field(m, "kind") != nil || field(m, "apiVersion") != nil) {
			return items.Content, true
		}
	}
	return nil, false
}

func (c *converter) list(root *yaml.Node, items []*yaml.Node) ([]Object, []*Fault) {
	var objects []Object
	var faults []*Fault
	bad := func(i int, f *Fault) {
		f.Item = &i
		faults = append(faults, f)
	}
	if plain(field(root, "apiVersion")) == "" {
		faults = append(faults, c.missing(root, "apiVersion"))
	}
	for i, item := range items {
		m := deref(item)
		if m.Kind != yaml.MappingNode {
			bad(i, c.faultf(item, "item %d of the list is %s, not an object", i, kindName(m)))
			continue
		}
		if _, nested := listItems(m); nested {
			bad(i, c.faultf(item, "item %d of the list is a list itself", i))
			continue
		}
		o, fault := c.object(m)
		if fault != nil {
			bad(i, fault)
			continue
		}
		if o != nil {
			o.Item = &i
			if item.Kind == yaml.AliasNode {
				o.Line = c.line(item)
			}
			objects = append(objects, *o)
		}
	}
	return objects, faults
}

// object converts one mapping; nil for one that is not meant for a cluster.
func (c *converter) object(n *yaml.Node) (*Object, *Fault) {
	version, kind := plain(field(n, "apiVersion")), plain(field(n, "kind"))
	if group, _, _ := strings.Cut(version, "/"); group == kustomizeGroup {
		return nil, nil
	}
	switch {
	case version == "":
		return nil, c.missing(n, "apiVersion")
	case kind == "":
		return nil, c.missing(n, "kind")
	}
	meta := deref(field(n, "metadata"))
	if name := field(meta, "name"); plain(name) == "" {
		at := n
		if meta != nil {
			at = meta
		}
		if name != nil {
			at = name
		}
		f := c.faultf(at, "a %s without metadata.name", kind)
		if name != nil {
			f.Message = "metadata.name must be a non-empty string" + what(name)
		}
		if field(meta, "generateName") != nil {
			f.Hint = "an object from git needs a fixed name; generateName makes a new one at every run"
		}
		return nil, f
	}
	if ns := field(meta, "namespace"); ns != nil && !isNull(deref(ns)) && !isString(deref(ns)) {
		return nil, c.faultf(ns, "metadata.namespace must be a string%s", what(ns))
	}
	text, fault := c.convert(n)
	if fault != nil {
		return nil, fault
	}
	return &Object{Line: c.line(n), JSON: text}, nil
}

// missing is the fault of an object without one of the fields that say what it is.
func (c *converter) missing(n *yaml.Node, name string) *Fault {
	if v := field(n, name); v != nil {
		return c.faultf(v, "%s must be a non-empty string%s", name, what(v))
	}
	f := c.faultf(n, "looks like an object but has no %s", name)
	f.Hint = "check the spelling; a file that is no manifest belongs outside the paths that are read"
	return f
}

// field returns the value of a key of a mapping, merged ones included; nil when there is none.
func field(n *yaml.Node, key string) *yaml.Node { return fieldAt(n, key, 0) }

func fieldAt(n *yaml.Node, key string, depth int) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode || depth > 10 {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if k := deref(n.Content[i]); k.Kind == yaml.ScalarNode && k.Value == key {
			return n.Content[i+1]
		}
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if !isMerge(n.Content[i]) {
			continue
		}
		from := deref(n.Content[i+1])
		if from != nil && from.Kind == yaml.SequenceNode {
			for _, m := range from.Content {
				if v := fieldAt(deref(m), key, depth+1); v != nil {
					return v
				}
			}
		} else if v := fieldAt(from, key, depth+1); v != nil {
			return v
		}
	}
	return nil
}

// plain returns the text of a scalar that is a string, "" for everything else.
func plain(n *yaml.Node) string {
	if n = deref(n); n == nil || !isString(n) {
		return ""
	}
	v, _ := scalarOf(n)
	return v.text
}

// deref follows an alias to its anchor.
func deref(n *yaml.Node) *yaml.Node {
	for range 10 {
		if n == nil || n.Kind != yaml.AliasNode {
			return n
		}
		n = n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool {
	if n.Kind != yaml.ScalarNode {
		return false
	}
	v, err := scalarOf(n)
	return err == nil && v.kind == nullScalar
}

func isString(n *yaml.Node) bool {
	if n.Kind != yaml.ScalarNode {
		return false
	}
	v, err := scalarOf(n)
	return err == nil && v.kind == stringScalar
}

// what says what a scalar is instead of the string that it should be: y without quotes is a boolean.
func what(n *yaml.Node) string {
	n = deref(n)
	if n.Kind != yaml.ScalarNode {
		return ", not " + kindName(n)
	}
	v, err := scalarOf(n)
	if err != nil || v.kind == stringScalar || v.kind == nullScalar {
		return ""
	}
	return fmt.Sprintf("; %s without quotes is %s", n.Value, v.kind)
}

func isMerge(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Value == "<<" && n.ShortTag() == "!!merge"
}

func kindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.SequenceNode:
		return "a sequence"
	case yaml.MappingNode:
		return "a mapping"
	}
	return "a scalar"
}
