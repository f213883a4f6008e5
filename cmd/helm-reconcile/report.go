package main

import (
	"strings"

	"github.com/sluice-gitops/sluice/internal/helmrel"
	"github.com/sluice-gitops/sluice/internal/jsonl"
	"github.com/sluice-gitops/sluice/internal/kube"
	"github.com/sluice-gitops/sluice/internal/reconcile"
	"github.com/sluice-gitops/sluice/internal/stage"
)

// report turns results into records. They come in order, one at a time.
type report struct {
	s      *stage.IO
	o      options
	in     *input
	held   map[string][]string // releases by source
	totals map[helmrel.Action]int
}

func (r *report) take(result helmrel.Result) {
	if result.Index >= 0 && result.Release == (helmrel.ReleaseID{}) {
		if read := r.in.releases[result.Index].read; read != nil {
			result.Release = read.Release() // what is wrong with it leaves the name
		}
	}
	record := jsonl.Release{
		Source: result.Source, ID: r.label(result), Release: result.Release.Name, Namespace: result.Release.Namespace,
		Action: jsonl.ReleaseAction(result.Action), DryRun: r.o.DryRun,
		Chart: result.Chart, Version: result.Version, ChartRevision: result.ChartRevision, Revision: result.Revision,
		Message: strings.Join(append(words(result.Message), result.Notes...), "; "),
	}
	if result.Action == helmrel.Held {
		record.Action = jsonl.ReleaseBlocked
		record.Message = "not uninstalled: " + record.Message
		r.held[result.Source] = append(r.held[result.Source], result.Release.String())
	}
	r.totals[helmrel.Action(record.Action)]++
	_ = r.s.Write(record) // a broken stdout is seen at the end of the run
	r.voice(result, record)
}

func words(text string) []string {
	if text == "" {
		return nil
	}
	return []string{text}
}

// label names the HelmRelease as its manifest's record does.
func (r *report) label(result helmrel.Result) string {
	if result.Index >= 0 {
		return r.in.releases[result.Index].label
	}
	return jsonl.ID{Group: helmrel.Groups()[0], Kind: helmrel.Kind, Namespace: result.HelmRelease.Namespace, Name: result.HelmRelease.Name}.String()
}

// voice says on stderr, and by error records, what is not as it should be.
func (r *report) voice(result helmrel.Result, record jsonl.Release) {
	if result.Action != helmrel.Unchanged { // a quiet run says it in the record only
		for _, note := range result.Notes {
			r.s.Warn("%s: %s", record.ID, note)
		}
	}
	for _, c := range result.Changes {
		before := "release/"
		if c.Live {
			before = "live/"
		}
		r.s.Diff(reconcile.Unified(c.Change, before+c.Object, "wanted/"+c.Object))
	}
	if result.Action == helmrel.Drifted {
		r.s.Warn("%s: release %s has drifted: %s", record.ID, result.Release, result.Message)
	}
	if result.Code == "" {
		return
	}
	e := jsonl.Error{Code: result.Code, Message: result.Message, Hint: result.Hint, Source: result.Source, ID: record.ID}
	if result.Index >= 0 {
		place := r.in.releases[result.Index].place
		e.File, e.Line = place.File, place.Line
	}
	if result.Code == helmrel.CodeForeign || result.Code == helmrel.CodeShrunk || result.Code == helmrel.CodeUnverified {
		r.s.HoldBack(e)
		return
	}
	r.s.Fail(e)
}

// close says what was not uninstalled because not all of its source is here, and sums up.
func (r *report) close(from []kube.Source, err error) {
	speech.HoldBack(r.s, r.o.Options, from, r.held)
	var counts []reconcile.Count
	for _, action := range []helmrel.Action{helmrel.Installed, helmrel.Upgraded, helmrel.Unchanged, helmrel.RolledBack, helmrel.Tested, helmrel.Corrected, helmrel.Drifted, helmrel.Uninstalled, helmrel.Blocked, helmrel.Failed} {
		counts = append(counts, reconcile.Count{Action: string(action), N: r.totals[action],
			Change: action == helmrel.Installed || action == helmrel.Upgraded || action == helmrel.Corrected || action == helmrel.Uninstalled})
	}
	reconcile.SumUp(r.s, r.o.Options, counts, err != nil)
}
