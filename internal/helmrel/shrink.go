package helmrel

import (
	"bytes"
	"fmt"

	"sigs.k8s.io/yaml"
)

// The annotations of a HelmRelease, with the value "true", that pass a render which is refused: one of no
// objects, and one of fewer than half as many as the deployed revision has.
const (
	AllowEmpty  = "sluice.dev/allow-empty"
	AllowShrink = "sluice.dev/allow-shrink"
)

// ShrunkError says that a chart rendered so little that most of a release would be deleted, as one does
// that arrived half. Nothing was changed.
type ShrunkError struct {
	Deployed, Rendered int // objects
}

func (e *ShrunkError) Error() string {
	switch {
	case e.Rendered == 0 && e.Deployed == 0:
		return "the chart renders no object at all"
	case e.Rendered == 0:
		return fmt.Sprintf("the chart renders no object at all, and the deployed revision has %d", e.Deployed)
	}
	objects := "objects"
	if e.Rendered == 1 {
		objects = "object"
	}
	return fmt.Sprintf("the chart renders %d %s, and the deployed revision has %d: fewer than half", e.Rendered, objects, e.Deployed)
}

// Annotation is the one that passes it.
func (e *ShrunkError) Annotation() string {
	if e.Rendered == 0 {
		return AllowEmpty
	}
	return AllowShrink
}

// counter is a post-renderer that changes nothing, and refuses a render of too few objects, and one whose
// objects are somebody else's. It comes before Helm stores a revision or changes an object.
type counter struct {
	annotations map[string]string
	deployed    func() (manifest string, err error)
	inspect     func(rendered, deployed string) error
	diff        func(deployed, rendered string) error // nil: nobody wants to see it
	refused     error                                 // what Run returned
}

// counterOf counts what a task renders. The CRDs of a chart's crds folder are no part of what is
// rendered; where they are installed a chart of nothing else is not empty.
func (s *session) counterOf(t Task, brings bool) *counter {
	c := &counter{annotations: map[string]string{}, deployed: func() (string, error) { return "", nil }}
	c.inspect = func(rendered, deployed string) error { return s.inspect(t, rendered, deployed) }
	if t.Diff {
		c.diff = func(deployed, rendered string) (err error) {
			s.changes, err = changesBetween(deployed, rendered)
			return err
		}
	}
	for name, value := range t.HelmRelease.Metadata.Annotations {
		c.annotations[name] = value
	}
	if brings {
		c.annotations[AllowEmpty] = "true"
	}
	if version := t.History.standing(); version != 0 && t.Decision.Step == StepUpgrade {
		c.deployed = func() (string, error) {
			found, err := s.store.revision(version)
			if err != nil {
				return "", fmt.Errorf("reading revision %d: %w", version, err)
			}
			return found.Manifest, nil
		}
	}
	return c
}

// Run makes it a post-renderer.
func (c *counter) Run(rendered *bytes.Buffer) (*bytes.Buffer, error) {
	manifest, err := c.deployed()
	if err != nil {
		return nil, err
	}
	shrunk := &ShrunkError{Rendered: countObjects(rendered.String()), Deployed: countObjects(manifest)}
	switch few := shrunk.Rendered == 0 || 2*shrunk.Rendered < shrunk.Deployed; {
	case few && c.annotations[shrunk.Annotation()] != "true":
		c.refused = shrunk
	default:
		c.refused = c.inspect(rendered.String(), manifest)
	}
	if c.refused == nil && c.diff != nil {
		if err := c.diff(manifest, rendered.String()); err != nil {
			return nil, err
		}
	}
	if c.refused != nil {
		return nil, c.refused
	}
	return rendered, nil
}

// countObjects counts the objects of a manifest as Helm renders it, those of lists one by one.
func countObjects(manifest string) int {
	n := 0
	for _, document := range documents(manifest) {
		var object struct {
			Kind  string `json:"kind"`
			Items []any  `json:"items"`
		}
		switch err := yaml.Unmarshal([]byte(document), &object); {
		case err != nil:
			n++ // Helm says what is wrong with it
		case object.Items != nil:
			n += len(object.Items)
		case object.Kind != "":
			n++
		}
	}
	return n
}
