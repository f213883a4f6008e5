package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/sluice-gitops/sluice/internal/imageref"
	"github.com/sluice-gitops/sluice/internal/jsonl"
	"github.com/sluice-gitops/sluice/internal/manifest"
	"github.com/sluice-gitops/sluice/internal/policy"
	"github.com/sluice-gitops/sluice/internal/pullsecret"
	"github.com/sluice-gitops/sluice/internal/registry"
	"github.com/sluice-gitops/sluice/internal/stage"
)

func run(ctx context.Context, s *stage.IO, c *cli.Context) error {
	o, err := readOptions(s, c)
	if err != nil {
		return err
	}
	p := &progress{show: s.Progress}
	o.registry.Looked = p.didLook
	found := finder{s: s, options: o}
	if err := s.Read(found.take); err != nil {
		return err
	}
	if o.cluster != nil {
		useSecrets(ctx, s, o.cluster, found.images)
	}
	client := registry.New(o.registry)
	scan := newScan(client, o, found.images, p)
	within, stop := context.WithCancel(ctx)
	finished := make(chan struct{})
	go func() { defer close(finished); scan.run(within) }()
	defer func() { stop(); <-finished }()
	if err := report(ctx, s, found.images, scan); err != nil {
		return err
	}
	if err := client.CacheErr(); err != nil {
		s.Warn("the cache was not used: %v", err)
	}
	return nil
}

// image is one image record in the making.
type image struct {
	record jsonl.Image
	ref    imageref.Ref
	rule   policy.Policy
	minAge time.Duration
	// scanned says that the tags of its repository are wanted; from is that repository then, and want
	// what is to be known of them.
	scanned bool
	from    *repository
	want    *want
	// pod says which pull secrets the image has, and login is what they hold for it.
	pod   pullsecret.Pod
	login registry.Login
	// fault, not nil, is written before the record.
	fault *jsonl.Error
	// bare: there is no image, only the fault.
	bare bool
}

// finder collects the images of the manifests in a stream.
type finder struct {
	s       *stage.IO
	options options
	images  []*image
}

func (f *finder) take(line *jsonl.Line) (bool, error) {
	if line.Type != jsonl.TypeManifest {
		return true, nil
	}
	var record jsonl.Manifest
	if err := line.Decode(&record); err != nil {
		f.s.Fail(jsonl.Error{Code: "bad-record", Message: err.Error(), Hint: "a manifest record is described in schema/stream.v1.schema.json"})
		return true, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(record.Object))
	decoder.UseNumber()
	var object map[string]any
	if err := decoder.Decode(&object); err != nil {
		return true, fmt.Errorf("line %d: decoding an object: %w", line.N, err) // the reader has seen that it is one
	}
	f.find(record, object)
	return true, nil
}

// find adds the images of one object, and warns of policies that have no effect.
func (f *finder) find(record jsonl.Manifest, object map[string]any) {
	containers := manifest.Images(object)
	if len(containers) == 0 {
		return
	}
	policies := manifest.ReadPolicies(object)
	var names []string
	for _, c := range containers {
		f.images = append(f.images, f.options.newImage(record, object, policies, c))
		names = append(names, c.Name)
	}
	for _, doubt := range policies.Doubts {
		f.s.Warn("%s: %s:%d: %s: %s", record.Source, record.File, record.Line, record.ID, doubt)
	}
	for _, stray := range policies.Strays(names) {
		f.s.Warn("%s: %s:%d: %s: the annotation %s has no effect: there is no such container", record.Source, record.File, record.Line, record.ID, stray.Key)
	}
}

func (o options) newImage(from jsonl.Manifest, object map[string]any, policies manifest.Policies, c manifest.Container) *image {
	tag, written := policies.Tags[c.Name]
	if !written {
		tag.Expr = policy.Default
	}
	i := &image{record: jsonl.Image{Type: jsonl.TypeImage, Place: from.Place, ID: from.ID, Container: c.Name, Fields: fields(c.Fields), Ref: c.Ref,
		Policy: policy.Normal(tag.Expr), PolicyKey: tag.Key, Automated: policies.Automated, Locked: policies.Locked, Ignored: policies.Ignored}}
	wanted := policies.Automated && !policies.Locked && !policies.Ignored
	if c.Err != nil {
		i.record.Fault, i.bare = c.Err.Error(), len(c.Fields) == 0
		if wanted {
			i.fault = &jsonl.Error{Code: "bad-image", Message: fmt.Sprintf("container %s: %v", c.Name, c.Err), Source: from.Source, File: from.File,
				Line: from.Line, ID: from.ID, Hint: "an image is [registry/]repository[:tag][@digest]; without fluxcd.io/automated it is left alone"}
			if i.bare {
				i.fault.Hint = "the annotation is a path of keys with dots between them, relative to spec.values"
			}
		}
		return i
	}
	i.ref, _ = imageref.Parse(c.Ref) // c.Err says that it parses
	i.record.Repository = i.ref.Canonical().Name()
	var err error
	i.rule, err = policy.Parse(tag.Expr)
	// A policy that does not parse is pick-tag's to report, and a digest without a tag follows nothing.
	i.scanned = (wanted || o.all && !policies.Ignored) && err == nil && (i.ref.Digest == "" || i.ref.Tag != "")
	o.age(i, policies)
	i.pod = podOf(object, c)
	if why := o.excluded(i.ref.Canonical()); i.scanned && why != "" {
		i.scanned, i.record.Fault = false, why
	}
	return i
}

// age gives the image its minimum age: the annotation's, or else the flag's.
func (o options) age(i *image, policies manifest.Policies) {
	age, key, err := policies.MinAge(i.record.Container)
	if key == "" {
		age = o.minAge
	}
	switch {
	case err != nil && i.scanned:
		r := &i.record
		i.scanned, r.Fault = false, err.Error()
		i.fault = &jsonl.Error{Code: "bad-min-age", Message: r.Fault, Source: r.Source, File: r.File, Line: r.Line, ID: r.ID,
			Hint: "a minimum age is a duration such as 24h or 90m"}
	case err == nil && age > 0:
		i.minAge, i.record.MinAge = age, age.String()
	}
}

// excluded says why a repository is not to be scanned; empty where it is.
func (o options) excluded(ref imageref.Ref) string {
	repository := ref.Name()
	if why := o.ecr.Excluded(ref.Registry); why != "" {
		return fmt.Sprintf("%s is not scanned: %s", repository, why)
	}
	if pattern, ok := o.exclude.Match(repository); ok {
		return fmt.Sprintf("%s is not scanned: --exclude %s", repository, pattern)
	}
	if _, ok := o.include.Match(repository); !ok && len(o.include) > 0 {
		return fmt.Sprintf("%s is not scanned: no --include names it", repository)
	}
	return ""
}

func fields(from []manifest.Field) []jsonl.Field {
	list := make([]jsonl.Field, len(from))
	for i, f := range from {
		list[i] = jsonl.Field{Role: jsonl.Role(f.Role), Path: f.Path, Value: f.Value}
	}
	return list
}
