package jsonl

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// ID is an object's identity within a cluster. The version of its API is no part of it.
type ID struct {
	// Group is the API group, empty for the core group.
	Group string
	Kind  string
	// Namespace is empty for a cluster-scoped object, and where the manifest names none.
	Namespace string
	Name      string
}

// String gives Kind[.group]/[namespace/]name, for example Deployment.apps/demo/podinfo.
func (id ID) String() string {
	kind := id.Kind
	if id.Group != "" {
		kind += "." + id.Group
	}
	if id.Namespace == "" {
		return kind + "/" + id.Name
	}
	return kind + "/" + id.Namespace + "/" + id.Name
}

// identity is the part of an object that names it.
type identity struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Namespace string `json:"namespace"`
		Name      string `json:"name"`
	} `json:"metadata"`
}

func (i identity) id() ID {
	group, _, grouped := strings.Cut(i.APIVersion, "/")
	if !grouped {
		group = ""
	}
	return ID{Group: group, Kind: i.Kind, Namespace: i.Metadata.Namespace, Name: i.Metadata.Name}
}

// ObjectID reads the identity of an object as its manifest writes it. It fails where kind or
// name is missing or is no string.
func ObjectID(object json.RawMessage) (ID, error) {
	var i identity
	if err := json.Unmarshal(object, &i); err != nil {
		return ID{}, fmt.Errorf("reading an object's identity: %w", err)
	}
	switch {
	case i.Kind == "" || i.APIVersion == "":
		return ID{}, errors.New("reading an object's identity: apiVersion or kind is missing")
	case i.Metadata.Name == "":
		return ID{}, fmt.Errorf("reading an object's identity: a %s has no metadata.name", i.Kind)
	}
	return i.id(), nil
}

// Sum is the digest of an object, "sha256:" and 64 hexadecimal digits. It does not depend on
// the order of keys, white space or string escapes, so that a stage which merely writes the
// line anew (jq -c .) does not look like one that changed it. It fails where the object is not JSON.
func Sum(object json.RawMessage) (string, error) {
	canonical, err := Canonical(object)
	if err != nil {
		return "", err
	}
	digest := sha256.Sum256(canonical)
	return "sha256:" + hex.EncodeToString(digest[:]), nil
}

// NewManifest is the record of an object that stands at a place: identity and sum are the object's.
func NewManifest(place Place, object json.RawMessage) (Manifest, error) {
	id, err := ObjectID(object)
	if err != nil {
		return Manifest{}, err
	}
	sum, err := Sum(object)
	if err != nil {
		return Manifest{}, err
	}
	return Manifest{Type: TypeManifest, Place: place, ID: id.String(), Object: object, Sum: sum}, nil
}

// Canonical writes a JSON value in the one form that the stream uses: sorted keys, no white
// space, no HTML escapes, numbers as they stand.
func Canonical(value json.RawMessage) (json.RawMessage, error) {
	decoder := json.NewDecoder(bytes.NewReader(value))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		return nil, fmt.Errorf("reading JSON: %w", err)
	}
	line, err := encode(v)
	if err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(line, []byte("\n")), nil
}
