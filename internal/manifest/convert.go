package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// converter writes YAML nodes as JSON.
type converter struct {
	before int // lines before the document
	out    bytes.Buffer
	steps  int // of the whole document: a list's items share the allowance
}

func (c *converter) line(n *yaml.Node) int { return c.before + n.Line }

func (c *converter) faultf(n *yaml.Node, format string, args ...any) *Fault {
	return &Fault{Line: c.line(n), Message: fmt.Sprintf(format, args...)}
}

// convert returns a node as JSON in the one form that the stream uses.
func (c *converter) convert(n *yaml.Node) (json.RawMessage, *Fault) {
	c.out.Reset()
	if f := c.value(n, 0); f != nil {
		return nil, f
	}
	return bytes.Clone(c.out.Bytes()), nil
}

// allow counts a node. Aliases make a small file large: time and memory follow these counts and
// never the size that the file would like to have.
func (c *converter) allow(n *yaml.Node, depth int) *Fault {
	c.steps++
	switch {
	case depth > maxDepth:
		return c.faultf(n, "nested deeper than %d, or an alias of something that holds it", maxDepth)
	case c.steps > maxSteps:
		return c.faultf(n, "too much to read: aliases stand for more than %d values", maxSteps)
	case c.out.Len() > MaxObject:
		return c.faultf(n, "the object has more than %d bytes", MaxObject)
	}
	return nil
}

func (c *converter) value(n *yaml.Node, depth int) *Fault {
	if f := c.allow(n, depth); f != nil {
		return f
	}
	switch n.Kind {
	case yaml.AliasNode:
		return c.value(n.Alias, depth+1)
	case yaml.MappingNode:
		return c.mapping(n, depth)
	case yaml.SequenceNode:
		return c.sequence(n, depth)
	case yaml.ScalarNode:
		return c.scalar(n)
	}
	return c.faultf(n, "a value of an unknown kind")
}

func (c *converter) sequence(n *yaml.Node, depth int) *Fault {
	if f := c.collectionTag(n, "!!seq"); f != nil {
		return f
	}
	c.out.WriteByte('[')
	for i, item := range n.Content {
		if i > 0 {
			c.out.WriteByte(',')
		}
		if f := c.value(item, depth+1); f != nil {
			return f
		}
	}
	c.out.WriteByte(']')
	return nil
}

// pair is one key of a mapping and its value.
type pair struct {
	name  string
	value *yaml.Node
}

func (c *converter) mapping(n *yaml.Node, depth int) *Fault {
	if f := c.collectionTag(n, "!!map"); f != nil {
		return f
	}
	pairs, f := c.pairs(n, depth)
	if f != nil {
		return f
	}
	slices.SortFunc(pairs, func(a, b pair) int { return strings.Compare(a.name, b.name) })
	c.out.WriteByte('{')
	for i, p := range pairs {
		if i > 0 {
			c.out.WriteByte(',')
		}
		c.text(p.name)
		c.out.WriteByte(':')
		if f := c.value(p.value, depth+1); f != nil {
			return f
		}
	}
	c.out.WriteByte('}')
	return nil
}

// pairs returns the keys of a mapping with merges done: its own first, then those that a merge
// brings and that are not there yet.
func (c *converter) pairs(n *yaml.Node, depth int) ([]pair, *Fault) {
	var pairs []pair
	seen := make(map[string]bool, len(n.Content)/2)
	var merges []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		if isMerge(n.Content[i]) {
			merges = append(merges, n.Content[i+1])
			continue
		}
		name, f := c.key(n.Content[i])
		if f != nil {
			return nil, f
		}
		if seen[name] {
			return nil, c.faultf(n.Content[i], "the key %q comes twice in one mapping", name)
		}
		seen[name] = true
		pairs = append(pairs, pair{name, n.Content[i+1]})
	}
	for _, m := range merges {
		merged, f := c.merged(m, depth+1)
		if f != nil {
			return nil, f
		}
		for _, p := range merged {
			if !seen[p.name] {
				seen[p.name] = true
				pairs = append(pairs, p)
			}
		}
	}
	return pairs, nil
}

// merged returns the pairs that "<<: n" brings.
func (c *converter) merged(n *yaml.Node, depth int) ([]pair, *Fault) {
	if f := c.allow(n, depth); f != nil {
		return nil, f
	}
	switch n.Kind {
	case yaml.AliasNode:
		return c.merged(n.Alias, depth+1)
	case yaml.MappingNode:
		c.steps += len(n.Content)
		return c.pairs(n, depth+1)
	case yaml.SequenceNode:
		var pairs []pair
		seen := map[string]bool{}
		for _, m := range n.Content {
			if deref(m).Kind != yaml.MappingNode {
				break
			}
			more, f := c.merged(m, depth+1)
			if f != nil {
				return nil, f
			}
			for _, p := range more {
				if !seen[p.name] {
					seen[p.name] = true
					pairs = append(pairs, p)
				}
			}
			if m == n.Content[len(n.Content)-1] {
				return pairs, nil
			}
		}
		if len(n.Content) == 0 {
			return nil, nil
		}
	}
	return nil, c.faultf(n, "<< must stand for a mapping or a sequence of mappings")
}

func (c *converter) key(n *yaml.Node) (string, *Fault) {
	k := deref(n)
	if k.Kind != yaml.ScalarNode {
		return "", c.faultf(n, "a key must be a string, not %s", kindName(k))
	}
	v, err := scalarOf(k)
	if err != nil {
		return "", c.faultf(n, "%s", err)
	}
	if v.kind != stringScalar {
		f := c.faultf(n, "the key %s is %s, not a string", k.Value, v.kind)
		f.Hint = fmt.Sprintf("quote it: %q", k.Value)
		return "", f
	}
	return v.text, nil
}

func (c *converter) scalar(n *yaml.Node) *Fault {
	v, err := scalarOf(n)
	if err != nil {
		return c.faultf(n, "%s", err)
	}
	if v.kind == stringScalar {
		c.text(v.text)
		return nil
	}
	c.out.WriteString(v.text)
	return nil
}

// text writes a JSON string.
func (c *converter) text(s string) {
	e := json.NewEncoder(&c.out)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string into a buffer cannot fail
	c.out.Truncate(c.out.Len() - 1)
}

// collectionTag refuses mappings and sequences that say they are something else, such as !!set.
func (c *converter) collectionTag(n *yaml.Node, own string) *Fault {
	if tag := n.ShortTag(); strings.HasPrefix(tag, "!!") && tag != own {
		return c.faultf(n, "the tag %s is not supported", tag)
	}
	return nil
}
