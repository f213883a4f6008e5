package kube

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
)

// Object is one object as its manifest wants it.
type Object struct {
	ID      ID // as the manifest writes it, until a run settles its namespace
	Version string
	Source  string
	content map[string]any
}

// ParseObject reads a manifest's object. Integers stay exact at any size.
func ParseObject(raw []byte, source string) (*Object, error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	o := &Object{Source: source}
	if err := decoder.Decode(&o.content); err != nil {
		return nil, fmt.Errorf("reading an object: %w", err)
	}
	metadata, _ := o.content["metadata"].(map[string]any)
	group, version, grouped := strings.Cut(text(o.content, "apiVersion"), "/")
	if !grouped {
		group, version = "", group
	}
	o.ID = ID{Group: group, Kind: text(o.content, "kind"), Namespace: text(metadata, "namespace"), Name: text(metadata, "name")}
	o.Version = version
	switch {
	case o.ID.Kind == "" || version == "":
		return nil, errors.New("reading an object: it has no kind or apiVersion")
	case o.ID.Name == "" && text(metadata, "generateName") != "":
		return nil, fmt.Errorf("reading a %s: generateName makes a new object at every run; give it a name", o.ID.Kind)
	case o.ID.Name == "":
		return nil, fmt.Errorf("reading a %s: it has no metadata.name", o.ID.Kind)
	}
	return o, nil
}

func text(object map[string]any, key string) string {
	value, _ := object[key].(string)
	return value
}

// annotations of a manifest.
func (o *Object) annotation(name string) string {
	metadata, _ := o.content["metadata"].(map[string]any)
	annotations, _ := metadata["annotations"].(map[string]any)
	return text(annotations, name)
}

// serverFields are set by the API server. A manifest that was exported from a cluster carries
// them, and an apply that does is refused or misunderstood as a precondition.
var serverFields = []string{"managedFields", "resourceVersion", "uid", "selfLink", "generation", "creationTimestamp"}

// encode gives what is sent to the API server: the manifest without what is not its to say, in the
// namespace given, which is empty for a cluster-scoped object, and marked as the owner's.
func (o *Object) encode(namespace string, owner Owner) ([]byte, error) {
	metadata := map[string]any{}
	given, _ := o.content["metadata"].(map[string]any)
	for key, value := range given {
		metadata[key] = value
	}
	for _, key := range append(serverFields, "namespace") {
		delete(metadata, key)
	}
	if namespace != "" {
		metadata["namespace"] = namespace
	}
	metadata["labels"] = with(metadata["labels"], InventoryLabel, owner.label())
	metadata["annotations"] = with(metadata["annotations"], OwnerAnnotation, owner.String())
	content := map[string]any{}
	for key, value := range o.content {
		content[key] = value
	}
	content["metadata"] = metadata
	if o.ID.GroupKind() == secretKind {
		stringsToData(content)
	}
	return json.Marshal(content)
}

// stringsToData writes a Secret's stringData as data. The API server does so too, but notes stringData
// as ours, of which nothing is left, and not the data: neither a conflict nor drift would be seen.
// What is not a map of texts is left for the API server to refuse.
func stringsToData(secret map[string]any) {
	texts, ok := secret["stringData"].(map[string]any)
	given, isMap := secret["data"].(map[string]any)
	if !ok || !isMap && secret["data"] != nil {
		return
	}
	data := maps.Clone(given)
	if data == nil {
		data = map[string]any{}
	}
	for key, value := range texts {
		plain, ok := value.(string)
		if !ok {
			return
		}
		data[key] = base64.StdEncoding.EncodeToString([]byte(plain))
	}
	delete(secret, "stringData")
	secret["data"] = data
}

// digest is 128 bits of SHA-256 in 22 letters: inventories are lists of these.
func digest(parts ...[]byte) string {
	sum := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(sum, "%d:", len(part))
		sum.Write(part)
	}
	return base64.RawURLEncoding.EncodeToString(sum.Sum(nil)[:16])
}

// The annotation by which Flux users take an object out of the sync.
var ignoreAnnotations = []string{"fluxcd.io/ignore", "flux.weave.works/ignore"}

// The values of the ignore annotation that mean something.
const (
	ignoreAll   = "true"      // neither applied nor pruned
	ignorePrune = "sync_only" // applied, not pruned
)

// pruneAnnotation with the value "disabled" is another word for [ignorePrune].
const pruneAnnotation = "sluice.dev/prune"

// ignoring gives the meaning of an object's annotations, empty for none.
func ignoring(annotation func(string) string) string {
	for _, name := range ignoreAnnotations {
		if value := annotation(name); value == ignoreAll || value == ignorePrune {
			return value
		}
	}
	if annotation(pruneAnnotation) == "disabled" {
		return ignorePrune
	}
	return ""
}
