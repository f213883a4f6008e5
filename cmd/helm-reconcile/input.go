package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-gitops/sluice/internal/helmrel"
	"github.com/sluice-gitops/sluice/internal/jsonl"
	"github.com/sluice-gitops/sluice/internal/kube"
	"github.com/sluice-gitops/sluice/internal/stage"
)

// input is what was read of the stream.
type input struct {
	s        *stage.IO
	releases []wish
	counts   map[string]int   // HelmReleases by source
	unread   map[string]bool  // sources with a record that may be a HelmRelease of any name
	objects  []helmrel.Object // of the releases, where they were read from the cluster
}

// wish is a HelmRelease record.
type wish struct {
	place  jsonl.Place
	label  string // the record's id
	api    string // apiVersion
	object json.RawMessage
	id     jsonl.ID
	parsed *helmrel.HelmRelease
	read   *helmrel.HelmRelease // also where it is not as it should be; nil where nothing could be read
	fault  error
}

// take keeps what is needed of a line. Every line is passed on.
func (in *input) take(line *jsonl.Line) (pass bool, err error) {
	if line.Type == jsonl.TypeManifest {
		in.takeManifest(line)
	}
	return true, nil
}

func (in *input) takeManifest(line *jsonl.Line) {
	var record jsonl.Manifest
	if err := line.Decode(&record); err != nil {
		in.lost(line) // kapply says what is wrong with it
		return
	}
	var kind struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
	}
	if json.Unmarshal(record.Object, &kind) != nil || kind.Kind != helmrel.Kind {
		return
	}
	group, _, _ := strings.Cut(kind.APIVersion, "/")
	if !slices.Contains(helmrel.Groups(), group) {
		in.s.Debugf("%s:%d: a %s of %s is not for this program", record.File, record.Line, kind.Kind, kind.APIVersion)
		return
	}
	id, err := jsonl.ObjectID(record.Object)
	if err != nil {
		in.s.Warn("%s:%d: %v: nothing of source %s is uninstalled", record.File, record.Line, err, record.Source)
		in.lost(line)
		return
	}
	in.counts[record.Source]++
	r := wish{place: record.Place, label: record.ID, api: kind.APIVersion, object: record.Object, id: id}
	if !helmrel.Is(kind.APIVersion, kind.Kind) {
		r.fault = fmt.Errorf("apiVersion %s is not known: %s is", kind.APIVersion, helmrel.APIVersion)
	} else {
		r.parse(in.s)
	}
	in.releases = append(in.releases, r)
}

// lost notes that a source holds more than could be read of it: what seems to have left may be that.
func (in *input) lost(line *jsonl.Line) {
	var record struct {
		Source string `json:"source"`
	}
	if line.Decode(&record) == nil {
		in.unread[record.Source] = true
	}
}

func (r *wish) parse(s *stage.IO) {
	h, unknown, err := helmrel.Parse(r.object)
	for _, field := range unknown {
		if r.place.File == "" {
			s.Warn("%s has an unknown field %s, which is left out", r.id, field)
			continue
		}
		s.Warn("%s:%d: %s has an unknown field %s, which is left out", r.place.File, r.place.Line, r.id, field)
	}
	if r.read = h; err != nil {
		r.fault = err
		return
	}
	r.parsed = h
}

// wanted are the HelmReleases with their namespaces settled.
func (in *input) wanted(defaultNamespace string) []helmrel.Wanted {
	var all []helmrel.Wanted
	for i := range in.releases {
		r := &in.releases[i]
		if r.id.Namespace == "" {
			r.id.Namespace = defaultNamespace
		}
		w := helmrel.Wanted{Source: r.place.Source, ID: helmrel.ID{Namespace: r.id.Namespace, Name: r.id.Name}, APIVersion: r.api, Release: r.parsed}
		if r.read != nil {
			r.read.Metadata.Namespace = r.id.Namespace
		}
		if r.parsed == nil {
			w.Fault = r.fault
			if fault := (&helmrel.Fault{}); !errors.As(r.fault, &fault) {
				w.Fault = &helmrel.Fault{Code: "bad-object", Err: r.fault}
			}
		}
		all = append(all, w)
	}
	return all
}

// from are the sources of the stream. What the inventory is to remember is how many HelmReleases
// each brought.
func (in *input) from(o options) ([]kube.Source, error) {
	if o.fromCluster {
		return []kube.Source{{Name: clusterSource, Whole: true}}, nil // a list is whole, or there is none
	}
	sources, err := o.Sources(in.s)
	for i := range sources {
		sources[i].State.Manifests = in.counts[sources[i].Name]
		sources[i].Whole = sources[i].Whole && !in.unread[sources[i].Name]
	}
	return sources, err
}
