package helmrel

import (
	"encoding/json"
	"fmt"
	"slices"

	"sigs.k8s.io/yaml"

	"github.com/sluice-gitops/sluice/internal/kube"
)

// ObjectChange is what a run changes of one object, or under a dry run would, as people may see it.
type ObjectChange struct {
	// Object is kind and name, for example ConfigMap app.
	Object string
	kube.Change
	// Live says that the object in the cluster was compared, and not what the last revision says of it.
	Live bool
}

// renderedObjects are the objects of a manifest, as JSON by their identity. What cannot be read is left for Helm
// to complain of.
func renderedObjects(manifest string) map[string]json.RawMessage {
	objects := map[string]json.RawMessage{}
	for _, document := range documents(manifest) {
		raw, err := yaml.YAMLToJSON([]byte(document))
		if err != nil {
			continue
		}
		addObject(objects, raw)
	}
	return objects
}

// addObject adds an object, or those of a list.
func addObject(objects map[string]json.RawMessage, raw json.RawMessage) {
	var head struct {
		Kind     string `json:"kind"`
		Metadata struct{ Name, Namespace string }
		Items    []json.RawMessage `json:"items"`
	}
	if json.Unmarshal(raw, &head) != nil || head.Kind == "" {
		return
	}
	for _, item := range head.Items {
		addObject(objects, item)
	}
	if head.Items == nil {
		name := head.Kind + " " + head.Metadata.Name
		if head.Metadata.Namespace != "" {
			name += " in " + head.Metadata.Namespace
		}
		objects[name] = raw
	}
}

// changesBetween are the objects in which two manifests differ, sorted.
func changesBetween(before, after string) ([]ObjectChange, error) {
	was, is := renderedObjects(before), renderedObjects(after)
	names := sortedKeys(was)
	for _, name := range sortedKeys(is) {
		if was[name] == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var all []ObjectChange
	for _, name := range names {
		c, err := changeOf(was[name], is[name])
		if err != nil {
			return nil, fmt.Errorf("comparing %s: %w", name, err)
		}
		if string(c.Before) != string(c.After) {
			all = append(all, ObjectChange{Object: name, Change: *c})
		}
	}
	return all, nil
}

// changeOf hides what is nobody's business, also of an object that goes.
func changeOf(was, is json.RawMessage) (*kube.Change, error) {
	if is != nil {
		return kube.NewChange(was, is)
	}
	c, err := kube.NewChange(nil, was)
	if err != nil {
		return nil, err
	}
	return &kube.Change{Before: c.After}, nil
}
