package helmrel

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"
)

// Values are a release's values: maps, lists, strings, booleans, null, int64 for integers, float64 for
// other numbers, and json.Number for integers that no int64 holds.
type Values map[string]any

// ErrNotFound says that an object or a key that holds values is not there.
var ErrNotFound = errors.New("not found")

// Objects reads what values are taken from. An error that is [ErrNotFound] says that the object is
// not there; any other one says nothing about that.
type Objects interface {
	ConfigMap(ctx context.Context, namespace, name string) (map[string]string, error)
	Secret(ctx context.Context, namespace, name string) (map[string][]byte, error)
	// URL reads a document of values.
	URL(ctx context.Context, at string) ([]byte, error)
}

// Merge resolves the values of h: valueFileSecrets, then valuesFrom in their order, then values. Maps
// are merged deeply; anything else replaces what came before. The second result holds the strings that
// must not be shown to anybody.
func (h *HelmRelease) Merge(ctx context.Context, objects Objects, chart *Chart) (Values, *Secrets, error) {
	secrets := &Secrets{}
	merged := Values{}
	for _, from := range h.sources() {
		values, err := h.resolve(ctx, from.ValuesFrom, objects, chart)
		switch {
		case errors.Is(err, ErrNotFound) && from.optional():
			continue
		case err != nil:
			return nil, secrets, fmt.Errorf("%s: %w", from.field, err)
		}
		switch {
		case from.SecretKeyRef != nil:
			secrets.all(map[string]any(values))
		default:
			secrets.telling(map[string]any(values))
		}
		merge(merged, values)
	}
	inline, err := decodeObject(h.Spec.Values)
	if err != nil {
		return nil, secrets, fmt.Errorf("spec.values: %w", err)
	}
	secrets.telling(map[string]any(inline))
	merge(merged, inline)
	return merged, secrets, nil
}

type valuesSource struct {
	ValuesFrom
	field string
}

func (h *HelmRelease) sources() []valuesSource {
	var out []valuesSource
	for i, ref := range h.Spec.ValueFileSecrets {
		from := ValuesFrom{SecretKeyRef: &KeyRef{Name: ref.Name}}
		out = append(out, valuesSource{from, fmt.Sprintf("spec.valueFileSecrets[%d]", i)})
	}
	for i, from := range h.Spec.ValuesFrom {
		out = append(out, valuesSource{from.first(), fmt.Sprintf("spec.valuesFrom[%d]", i)})
	}
	return out
}

// first keeps the one reference that counts.
func (v ValuesFrom) first() ValuesFrom {
	switch {
	case v.ConfigMapKeyRef != nil:
		return ValuesFrom{ConfigMapKeyRef: v.ConfigMapKeyRef}
	case v.SecretKeyRef != nil:
		return ValuesFrom{SecretKeyRef: v.SecretKeyRef}
	case v.ExternalSourceRef != nil:
		return ValuesFrom{ExternalSourceRef: v.ExternalSourceRef}
	default:
		return ValuesFrom{ChartFileRef: v.ChartFileRef}
	}
}

func (v ValuesFrom) optional() bool {
	switch {
	case v.ConfigMapKeyRef != nil:
		return v.ConfigMapKeyRef.Optional
	case v.SecretKeyRef != nil:
		return v.SecretKeyRef.Optional
	case v.ExternalSourceRef != nil:
		return v.ExternalSourceRef.Optional
	case v.ChartFileRef != nil:
		return v.ChartFileRef.Optional
	default:
		return false
	}
}

func (h *HelmRelease) resolve(ctx context.Context, from ValuesFrom, objects Objects, chart *Chart) (Values, error) {
	switch {
	case from.ConfigMapKeyRef != nil:
		ref := h.at(*from.ConfigMapKeyRef)
		data, err := objects.ConfigMap(ctx, ref.Namespace, ref.Name)
		if err != nil {
			return nil, fmt.Errorf("reading ConfigMap %s/%s: %w", ref.Namespace, ref.Name, err)
		}
		text, ok := data[ref.Key]
		return keyed("ConfigMap", ref, []byte(text), ok)
	case from.SecretKeyRef != nil:
		ref := h.at(*from.SecretKeyRef)
		data, err := objects.Secret(ctx, ref.Namespace, ref.Name)
		if err != nil {
			return nil, fmt.Errorf("reading Secret %s/%s: %w", ref.Namespace, ref.Name, err)
		}
		text, ok := data[ref.Key]
		return keyed("Secret", ref, text, ok)
	case from.ExternalSourceRef != nil:
		return externalValues(ctx, objects, *from.ExternalSourceRef)
	default:
		return chartValues(chart, *from.ChartFileRef)
	}
}

func (h *HelmRelease) at(ref KeyRef) KeyRef {
	if ref.Namespace == "" {
		ref.Namespace = h.Metadata.Namespace
	}
	if ref.Key == "" {
		ref.Key = defaultValuesKey
	}
	return ref
}

// keyed parses values. A YAML error of a Secret keeps its reason to itself: it may quote the Secret.
func keyed(kind string, ref KeyRef, text []byte, ok bool) (Values, error) {
	if !ok {
		return nil, fmt.Errorf("key %s of %s %s/%s: %w", ref.Key, kind, ref.Namespace, ref.Name, ErrNotFound)
	}
	values, err := parseValues(text)
	switch {
	case err == nil:
		return values, nil
	case ref.Optional:
		return nil, fmt.Errorf("key %s: %w", ref.Key, ErrNotFound)
	case kind == "Secret":
		err = errors.New("not a YAML object")
	}
	return nil, fmt.Errorf("key %s of %s %s/%s: %w", ref.Key, kind, ref.Namespace, ref.Name, err)
}

func externalValues(ctx context.Context, objects Objects, ref ExternalRef) (Values, error) {
	text, err := objects.URL(ctx, ref.URL)
	if err != nil {
		return nil, err
	}
	values, err := parseValues(text)
	switch {
	case err == nil:
		return values, nil
	case ref.Optional:
		return nil, ErrNotFound
	}
	// the parser's words may quote what was read, which may be a secret
	return nil, errors.New("what the URL answers is not a YAML object")
}

func chartValues(chart *Chart, ref FileRef) (Values, error) {
	clean := path.Clean(ref.Path)
	if path.IsAbs(clean) || clean == ".." || strings.HasPrefix(clean, "../") {
		return nil, fmt.Errorf("chart file %s: the path leads out of the chart", ref.Path)
	}
	text, ok := chart.File(clean)
	if !ok {
		return nil, fmt.Errorf("chart file %s: %w", ref.Path, ErrNotFound)
	}
	values, err := parseValues(text)
	switch {
	case err == nil:
		return values, nil
	case ref.Optional:
		return nil, fmt.Errorf("chart file %s: %w", ref.Path, ErrNotFound)
	}
	return nil, fmt.Errorf("chart file %s: %w", ref.Path, err)
}

func parseValues(text []byte) (Values, error) {
	object, err := yaml.YAMLToJSON(text)
	if err != nil {
		return nil, err
	}
	return decodeObject(object)
}

// decodeObject reads a JSON object; nothing and null are an empty one.
func decodeObject(object []byte) (Values, error) {
	if len(bytes.TrimSpace(object)) == 0 {
		return Values{}, nil
	}
	d := json.NewDecoder(bytes.NewReader(object))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("more than one value")
	}
	switch v := number(v).(type) {
	case nil:
		return Values{}, nil
	case map[string]any:
		return v, nil
	default:
		return nil, errors.New("expected an object of values")
	}
}

// number turns the numbers in v into the types that templates compare and format as people expect: an
// integer stays one, however large, because a template would show a float64 of 1234567 as 1.234567e+06.
func number(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = number(v[k])
		}
	case []any:
		for i := range v {
			v[i] = number(v[i])
		}
	case json.Number:
		if n, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			return n
		}
		if !strings.ContainsAny(v.String(), ".eE") {
			return v
		}
		if f, err := v.Float64(); err == nil {
			return f
		}
	}
	return v
}

// merge lays src over dst. Both belong to the caller.
func merge(dst, src map[string]any) {
	for k, v := range src {
		below, ok := dst[k].(map[string]any)
		above, both := v.(map[string]any)
		if ok && both {
			merge(below, above)
			continue
		}
		dst[k] = v
	}
}
