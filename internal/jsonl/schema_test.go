package jsonl_test

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gitops/sluice/internal/jsonl"
	"github.com/sluice-gitops/sluice/internal/testkit/golden"
)

// TestSchemaIsCurrent generates the JSON Schema from the record types and their comments.
// Run it with -update after changing record.go.
func TestSchemaIsCurrent(t *testing.T) {
	docs := readDocs(t, "record.go")
	var one []any
	definitions := map[string]any{}
	for _, kind := range []jsonl.Type{jsonl.TypeBegin, jsonl.TypeSource, jsonl.TypeManifest, jsonl.TypeImage, jsonl.TypePick,
		jsonl.TypeCommit, jsonl.TypeApply, jsonl.TypeRelease, jsonl.TypeError, jsonl.TypeEnd} {
		record, ok := jsonl.New(kind)
		if !ok {
			t.Fatalf("no record of type %s", kind)
		}
		schema := docs.structure(reflect.TypeOf(record).Elem())
		schema["properties"].(map[string]any)["type"] = map[string]any{"const": kind}
		definitions[string(kind)] = schema
		one = append(one, map[string]any{"$ref": "#/$defs/" + string(kind)})
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(map[string]any{
		"$schema":     "https://json-schema.org/draft/2020-12/schema",
		"title":       "A line of a sluice stream, version 1",
		"description": "Fields and types that are not listed here are allowed: readers pass them on.",
		"oneOf":       one,
		"$defs":       definitions,
	}); err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "../../schema/stream.v1.schema.json", out.Bytes())
}

// docs are the comments of a Go file: of types, of fields, and the constants of string types.
type docs struct {
	fields map[string]string
	enums  map[string][]string
}

func readDocs(t *testing.T, name string) docs {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	d := docs{map[string]string{}, map[string][]string{}}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GenDecl:
			if len(n.Specs) == 1 && n.Tok == token.TYPE {
				d.fields[n.Specs[0].(*ast.TypeSpec).Name.Name] = n.Doc.Text()
			}
		case *ast.TypeSpec:
			if s, ok := n.Type.(*ast.StructType); ok {
				for _, f := range s.Fields.List {
					for _, field := range f.Names {
						d.fields[n.Name.Name+"."+field.Name] = f.Doc.Text() + f.Comment.Text()
					}
				}
			}
		case *ast.ValueSpec:
			if kind, ok := n.Type.(*ast.Ident); ok && len(n.Values) == 1 {
				value, err := strconv.Unquote(n.Values[0].(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				d.enums[kind.Name] = append(d.enums[kind.Name], value)
			}
		}
		return true
	})
	return d
}

func (d docs) structure(t reflect.Type) map[string]any {
	properties := map[string]any{}
	required := d.collect(t, properties)
	slices.Sort(required)
	schema := map[string]any{"type": "object", "properties": properties, "required": required}
	describe(schema, d.fields[t.Name()])
	return schema
}

func (d docs) collect(t reflect.Type, properties map[string]any) (required []string) {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			required = append(required, d.collect(f.Type, properties)...)
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		value := d.value(f.Type)
		describe(value, d.fields[t.Name()+"."+f.Name])
		properties[name] = value
		if !strings.Contains(options, "omitempty") {
			required = append(required, name)
		}
	}
	return required
}

func describe(schema map[string]any, text string) {
	if text = strings.Join(strings.Fields(text), " "); text != "" {
		schema["description"] = text
	}
}

func (d docs) value(t reflect.Type) map[string]any {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return map[string]any{"type": "string", "format": "date-time"}
	case t == reflect.TypeFor[json.RawMessage]():
		return map[string]any{"type": "object"}
	// A custom picker may write a reason of its own.
	case t == reflect.TypeFor[jsonl.Reason]():
		return map[string]any{"type": "string", "examples": d.enums[t.Name()]}
	case len(d.enums[t.Name()]) > 0:
		return map[string]any{"enum": d.enums[t.Name()]}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return d.value(t.Elem())
	case reflect.Struct:
		return d.structure(t)
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": d.value(t.Elem())}
	case reflect.Slice:
		return map[string]any{"type": "array", "items": d.value(t.Elem())}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int:
		return map[string]any{"type": "integer"}
	case reflect.Interface:
		return map[string]any{"type": []string{"string", "integer"}}
	default:
		return map[string]any{"type": "string"}
	}
}
