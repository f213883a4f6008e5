package helmrel

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"sort"
	"strings"
)

// prune leaves only the fields of [HelmRelease] in a JSON object, and names the others. Field names
// are compared as Kubernetes does, exactly; encoding/json alone would take releasename for releaseName.
func prune(object []byte) (known []byte, unknown []string, err error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(object, &fields); err != nil {
		return nil, nil, fmt.Errorf("reading a HelmRelease: %w", err)
	}
	if fields == nil {
		return nil, nil, errors.New("reading a HelmRelease: null is not an object")
	}
	pruned := pruneObject(fields, reflect.TypeFor[HelmRelease](), "", &unknown)
	sort.Strings(unknown)
	known, err = json.Marshal(pruned)
	return known, unknown, err
}

func pruneObject(fields map[string]json.RawMessage, t reflect.Type, path string, unknown *[]string) map[string]json.RawMessage {
	types := map[string]reflect.Type{}
	for i := range t.NumField() {
		types[t.Field(i).Tag.Get("json")] = t.Field(i).Type
	}
	out := map[string]json.RawMessage{}
	for name, value := range fields {
		ft, ok := types[name]
		if !ok {
			// status and the server's part of metadata are not ours to know
			if path == "spec." || strings.HasPrefix(path, "spec.") {
				*unknown = append(*unknown, path+name)
			}
			continue
		}
		out[name] = pruneValue(value, ft, path+name, unknown)
	}
	return out
}

// pruneValue leaves a value of the wrong shape as it is: decoding it says what is wrong.
func pruneValue(value json.RawMessage, t reflect.Type, path string, unknown *[]string) json.RawMessage {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t.Kind() == reflect.Struct:
		var fields map[string]json.RawMessage
		if json.Unmarshal(value, &fields) == nil && fields != nil {
			return remarshal(pruneObject(fields, t, path+".", unknown), value)
		}
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct:
		var items []json.RawMessage
		if json.Unmarshal(value, &items) != nil {
			return value
		}
		for i := range items {
			items[i] = pruneValue(items[i], t.Elem(), fmt.Sprintf("%s[%d]", path, i), unknown)
		}
		return remarshal(items, value)
	}
	return value
}

func remarshal(v any, otherwise json.RawMessage) json.RawMessage {
	out, err := json.Marshal(v)
	if err != nil {
		return otherwise
	}
	return out
}
