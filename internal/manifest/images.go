package manifest

import (
	"encoding/json"
	"strings"

	"github.com/sluice-gitops/sluice/internal/imageref"
)

// Role is the part of an image reference that a scalar holds.
type Role string

// The roles. An image or a repository also carries what has no field of its own.
const (
	RoleImage      Role = "image"
	RoleRegistry   Role = "registry"
	RoleRepository Role = "repository"
	RoleTag        Role = "tag"
	RoleDigest     Role = "digest"
)

// Field is one scalar that holds an image reference or a part of one.
type Field struct {
	Role Role
	// Path leads from the top of the object to the scalar: strings are keys, ints indexes.
	Path []any
	// Value is the scalar's text; empty for null.
	Value string
}

// Container is one container image of an object.
type Container struct {
	// Name is the container's name; for a HelmRelease "chart-image", the key of the value that
	// holds the image, or the name that an annotation gives it.
	Name string
	// Fields are the scalars that together make the reference: the registry, if it has a field,
	// first, and the tag and the digest, if they have one, last.
	Fields []Field
	// Ref is the reference joined from the fields.
	Ref string
	// Err says why Ref is no reference, or why an annotation leads to none.
	Err error
}

// podSpecs is where the kinds that make pods keep their pod's spec. The group is left open on
// purpose: other workloads with the same kind and shape exist (apps.kruise.io), and an object of
// another shape has no containers there. For the same reason a kind that somebody defined (Rollout
// of argoproj.io, CloneSet of apps.kruise.io, Service of serving.knative.dev) is one of them where
// it has a pod's template as a Deployment does.
var podSpecs = map[string][]any{
	"CronJob":     {"spec", "jobTemplate", "spec", "template", "spec"},
	"DaemonSet":   {"spec", "template", "spec"},
	"Deployment":  {"spec", "template", "spec"},
	"Job":         {"spec", "template", "spec"},
	"Pod":         {"spec"},
	"ReplicaSet":  {"spec", "template", "spec"},
	"StatefulSet": {"spec", "template", "spec"},
}

// Images lists the container images of an object, decoded from JSON with json.Number: those of
// the containers, then of the init containers, of a pod or whatever makes pods; and those that
// the values of a HelmRelease hold. It is empty for everything else.
func Images(object map[string]any) []Container {
	kind, _ := object["kind"].(string)
	if kind == "HelmRelease" {
		return releaseImages(object)
	}
	path, makesPods := podSpecs[kind]
	if !makesPods && !custom(object) {
		return nil
	}
	if !makesPods {
		path = podSpecs["Deployment"]
	}
	spec, _ := lookup(object, path).(map[string]any)
	var found []Container
	for _, list := range []string{"containers", "initContainers"} {
		items, _ := spec[list].([]any)
		for i, item := range items {
			if c, ok := podImage(item, extend(path, list, i, "image")); ok {
				found = append(found, c)
			}
		}
	}
	return found
}

// custom says whether an object is of an API that Kubernetes itself does not have: those of
// Kubernetes that make pods are of groups without a dot.
func custom(object map[string]any) bool {
	version, _ := object["apiVersion"].(string)
	group, _, _ := strings.Cut(version, "/")
	return strings.Contains(group, ".")
}

func podImage(item any, path []any) (Container, bool) {
	container, _ := item.(map[string]any)
	image, ok := container["image"].(string)
	if !ok {
		return Container{}, false
	}
	name, _ := container["name"].(string)
	c := Container{Name: name, Fields: []Field{{RoleImage, path, image}}, Ref: image}
	_, c.Err = imageref.Parse(image)
	return c, true
}

// join makes the reference that the fields stand for.
func join(fields []Field) string {
	var b strings.Builder
	for _, f := range fields {
		switch {
		case f.Value == "":
		case f.Role == RoleRegistry:
			b.WriteString(f.Value + "/")
		case f.Role == RoleTag:
			b.WriteString(":" + f.Value)
		case f.Role == RoleDigest:
			b.WriteString("@" + f.Value)
		default:
			b.WriteString(f.Value)
		}
	}
	return b.String()
}

// lookup follows keys through maps; nil where the path does not lead anywhere.
func lookup(value any, path []any) any {
	for _, key := range path {
		m, _ := value.(map[string]any)
		name, _ := key.(string)
		if value = m[name]; value == nil {
			return nil
		}
	}
	return value
}

// extend makes a new path; append would let two paths share memory.
func extend(path []any, more ...any) []any {
	return append(path[:len(path):len(path)], more...)
}

// text gives a scalar's text. Numbers keep theirs: a tag 1.10 stays 1.10.
func text(value any) (string, bool) {
	switch v := value.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	}
	return "", false
}
