package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/sluice-gitops/sluice/internal/jsonl"
	"github.com/sluice-gitops/sluice/internal/testkit/script"
)

// fetched is one source as git-fetch would write it.
type fetched struct {
	name     string
	revision string
	at       time.Time
	yaml     []string // documents, one object each
	lost     bool     // a file did not parse: complete:false
}

// stream writes sources as so many runs of git-fetch, one after the other.
func stream(sources ...fetched) []byte {
	var out bytes.Buffer
	w := jsonl.NewWriter(&out)
	write := func(record any) {
		line, _, err := jsonl.Encode(record)
		if err == nil {
			err = w.WriteRaw(line)
		}
		if err != nil {
			panic(err)
		}
	}
	for _, s := range sources {
		if s.at.IsZero() {
			s.at = script.Noon
		}
		if s.revision == "" {
			s.revision = strings.Repeat("1", 40)
		}
		write(jsonl.Begin{Stage: "git-fetch", V: jsonl.Version, Version: script.Version, Started: s.at})
		write(jsonl.Source{Name: s.name, URL: "https://git.example/" + s.name, Branch: "main",
			Revision: s.revision, Tree: strings.Repeat("2", 40), Store: "/mirror/" + s.name, Signature: jsonl.SignatureUnchecked})
		for i, document := range s.yaml {
			object, err := yaml.YAMLToJSON([]byte(document))
			if err != nil {
				panic(fmt.Errorf("document %d of %s: %w", i, s.name, err))
			}
			object, err = jsonl.Canonical(object)
			if err != nil {
				panic(err)
			}
			sum, err := jsonl.Sum(object)
			if err != nil {
				panic(err)
			}
			id := "an object without a name"
			if known, err := jsonl.ObjectID(object); err == nil {
				id = known.String()
			}
			write(jsonl.Manifest{Place: jsonl.Place{Source: s.name, File: "all.yaml", Doc: i, Line: 10*i + 1}, ID: id, Object: object, Sum: sum})
		}
		end := jsonl.End{Stage: "git-fetch", OK: !s.lost, Complete: !s.lost, Finished: s.at,
			Counts: map[string]jsonl.Count{s.name: {Wrote: len(s.yaml)}}}
		if s.lost {
			end.Incomplete = []string{s.name}
		}
		write(end)
	}
	return out.Bytes()
}

// documents splits a YAML file.
func documents(text string) []string {
	var found []string
	for document := range strings.SplitSeq("\n"+text, "\n---") {
		if strings.TrimSpace(document) != "" {
			found = append(found, document)
		}
	}
	return found
}

// fetchMain stands in for git-fetch in scripts: it writes the stream of a source whose files are
// the YAML files named.
func fetchMain() {
	var s fetched
	flags := flag.NewFlagSet("fetch", flag.ExitOnError)
	flags.StringVar(&s.name, "name", "config", "")
	flags.StringVar(&s.revision, "revision", "", "")
	flags.BoolVar(&s.lost, "lost", false, "")
	at := flags.String("at", script.Noon.Format(time.RFC3339), "")
	if err := flags.Parse(os.Args[1:]); err != nil {
		panic(err)
	}
	var err error
	if s.at, err = time.Parse(time.RFC3339, *at); err != nil {
		panic(err)
	}
	for _, file := range flags.Args() {
		text, err := os.ReadFile(file)
		if err != nil {
			fmt.Fprintln(os.Stderr, "fetch:", err)
			os.Exit(1)
		}
		s.yaml = append(s.yaml, documents(string(text))...)
	}
	os.Stdout.Write(stream(s))
}
