package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"

	"github.com/urfave/cli/v2"

	"github.com/sluice-gitops/sluice/internal/imageref"
	"github.com/sluice-gitops/sluice/internal/jsonl"
	"github.com/sluice-gitops/sluice/internal/manifest"
	"github.com/sluice-gitops/sluice/internal/policy"
	"github.com/sluice-gitops/sluice/internal/registry"
	"github.com/sluice-gitops/sluice/internal/stage"
)

// atOnce is how many repositories, and how many images of one host, are read at the same time.
const atOnce = 16

func readOptions(c *cli.Context) (registry.Options, error) {
	o := registry.Options{
		RPS: c.Float64("rps"), Burst: c.Int("burst"), Parallel: atOnce, RequestTimeout: c.Duration("request-timeout"),
		Insecure: c.StringSlice("insecure-host"), TokenHosts: c.StringSlice("token-host"),
	}
	switch {
	case o.RPS <= 0 || math.IsInf(o.RPS, 0) || math.IsNaN(o.RPS):
		return o, stage.Usagef("--rps is a number above zero, not %v", o.RPS)
	case o.Burst < 1:
		return o, stage.Usagef("--burst is at least 1, not %d", o.Burst)
	case o.RequestTimeout <= 0:
		return o, stage.Usagef("--request-timeout is a duration above zero, not %s", o.RequestTimeout)
	}
	var err error
	if o.Platform, err = registry.ParsePlatform(c.String("platform")); err != nil {
		return o, stage.Usage(fmt.Errorf("--platform: %w", err))
	}
	if file := c.String("docker-config"); file != "" {
		if o.Credentials, err = registry.ReadDockerConfig(file); err != nil {
			return o, stage.WithHint(err, "--docker-config wants a file as docker login writes it")
		}
	}
	return o, nil
}

func run(ctx context.Context, s *stage.IO, c *cli.Context) error {
	o, err := readOptions(c)
	if err != nil {
		return err
	}
	found := finder{s: s}
	if err := s.Read(found.take); err != nil {
		return err
	}
	scan := newScan(registry.New(o), found.images)
	scan.run(ctx, func(done, total int) { s.Progress("scanning repositories", done, total) })
	if ctx.Err() != nil {
		return context.Cause(ctx) // what failed then, failed for this
	}
	return report(s, found.images, scan)
}

// image is one image record in the making.
type image struct {
	record jsonl.Image
	ref    imageref.Ref
	rule   policy.Policy
	// scanned says that the tags of its repository are wanted.
	scanned bool
	// fault, not nil, is written before the record.
	fault *jsonl.Error
	// bare: there is no image, only the fault.
	bare bool
}

// finder collects the images of the manifests in a stream.
type finder struct {
	s      *stage.IO
	images []image
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
		f.images = append(f.images, newImage(record, policies, c))
		names = append(names, c.Name)
	}
	for _, doubt := range policies.Doubts {
		f.s.Warn("%s: %s:%d: %s: %s", record.Source, record.File, record.Line, record.ID, doubt)
	}
	for _, stray := range policies.Strays(names) {
		f.s.Warn("%s: %s:%d: %s: the annotation %s has no effect: there is no such container", record.Source, record.File, record.Line, record.ID, stray.Key)
	}
}

func newImage(from jsonl.Manifest, policies manifest.Policies, c manifest.Container) image {
	tag, written := policies.Tags[c.Name]
	if !written {
		tag.Expr = policy.Default
	}
	i := image{record: jsonl.Image{Type: jsonl.TypeImage, Place: from.Place, ID: from.ID, Container: c.Name, Fields: fields(c.Fields), Ref: c.Ref,
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
	// A policy that does not parse is pick-tag's to report.
	i.scanned = wanted && err == nil && i.ref.Digest == ""
	return i
}

func fields(from []manifest.Field) []jsonl.Field {
	list := make([]jsonl.Field, len(from))
	for i, f := range from {
		list[i] = jsonl.Field{Role: jsonl.Role(f.Role), Path: f.Path, Value: f.Value}
	}
	return list
}
