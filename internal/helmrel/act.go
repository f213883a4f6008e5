package helmrel

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/sluice-gitops/sluice/internal/kube"
)

// The annotation by which Flux users take an object out of the sync.
var ignoreAnnotations = []string{"fluxcd.io/ignore", "flux.weave.works/ignore"}

// The values of the ignore annotation that mean something.
const (
	ignoreAll   = "true"      // neither changed nor uninstalled
	ignorePrune = "sync_only" // changed, not uninstalled
)

func ignoring(h *HelmRelease) string {
	for _, name := range ignoreAnnotations {
		if v := h.Metadata.Annotations[name]; v == ignoreAll || v == ignorePrune {
			return v
		}
	}
	return ""
}

// run installs or upgrades.
func (it *item) run(ctx context.Context, r *Run) {
	if it.decision.Step == StepCorrect {
		it.correct(ctx, r)
		return
	}
	it.started = true
	if phase, is := map[Step]Phase{StepInstall: PhaseInstalling, StepUpgrade: PhaseUpgrading}[it.decision.Step]; is {
		r.teller.progress(ctx, it, phase)
	}
	var out Outcome
	err := func() (err error) {
		defer recovered(&err)
		out, err = r.Cluster.Do(ctx, Task{HelmRelease: it.wanted.Release, Chart: it.prepared.chart, Values: it.prepared.values,
			Digest: it.prepared.digest, Owner: it.owner, History: it.history, Decision: it.decision, DryRun: it.dryRun,
			Diff: r.Diff, CRDs: r.CRDs, Left: it.left, Reached: func(p Phase) { r.teller.progress(ctx, it, p) }})
		return err
	}()
	action := Upgraded
	switch it.decision.Step {
	case StepInstall:
		action = Installed
	case StepTest:
		action = Tested
	}
	var shrunk *ShrunkError
	var taken *TakenError
	switch {
	case err == nil && it.decision.Step == StepRollback:
		it.finish(Result{Action: RolledBack, Revision: out.Revision, Message: it.decision.Why, Code: CodeFailing,
			Hint: "change the chart or the values, or repeat it once with --retry-failed"})
	case err == nil:
		it.finish(Result{Action: action, Revision: out.Revision, Message: join(it.decision.Why, out.Note)})
	case errors.As(err, &shrunk):
		it.block(Decision{Code: CodeShrunk, Revision: out.Revision, Why: shrunk.Error(),
			Hint: "was the chart emptied by mistake? if not, annotate the HelmRelease with " + shrunk.Annotation() + `: "true"`})
	case errors.As(err, &taken):
		it.block(Decision{Code: CodeForeign, Revision: out.Revision, Why: taken.Error(), Hint: takenHint})
	default:
		it.fail(&Fault{Code: "helm", Err: err})
		it.result.Revision = out.Revision
		if out.RolledBack {
			it.result.Action = RolledBack
		}
	}
	it.result.Outcome = out
	it.show(out.Changes)
}

// show passes on what has changed, without the texts of Secrets that the values came from.
func (it *item) show(changes []ObjectChange) {
	for _, c := range changes {
		c.Before, c.After = it.hidden(c.Before), it.hidden(c.After)
		it.result.Changes = append(it.result.Changes, c)
	}
}

func (it *item) hidden(text []byte) []byte {
	if text == nil || it.prepared == nil {
		return text
	}
	return []byte(it.prepared.secrets.Hide(string(text)))
}

func join(a, b string) string {
	if a != "" && b != "" {
		return a + "; " + b
	}
	return a + b
}

// finish completes a result with what all results have.
func (it *item) finish(result Result) {
	result.Index, result.Source, result.HelmRelease, result.Release = it.index, it.wanted.Source, it.wanted.ID, it.release
	if p := it.prepared; p != nil {
		if p.chart != nil {
			result.Chart, result.Version, result.ChartRevision = p.chart.Name, p.chart.Version, p.chart.Revision
			result.Notes = append(result.Notes, p.chart.Notes...)
		}
		result.Message = p.secrets.Hide(result.Message)
	}
	result.Message = oneLine(result.Message)
	result.Notes = append(result.Notes, it.notes...)
	it.result = &result
}

func (it *item) fail(err error) {
	code, hint := Explain(err)
	it.finish(Result{Action: Failed, Revision: lastRevision(it.history), Message: err.Error(), Code: code, Hint: hint})
}

func (it *item) block(d Decision) {
	it.finish(Result{Action: Blocked, Revision: d.Revision, Message: d.Why, Code: d.Code, Hint: d.Hint})
}

// settled says that the release is this HelmRelease's as it stands.
func (it *item) settled() bool {
	return it.result != nil && (it.result.Action == Unchanged || it.result.Action == Drifted) && !it.ignored
}

// wantedEntry is what the inventory is to hold of the item.
func (it *item) wantedEntry() *kube.Entry {
	extra := map[string]string{extraOwner: it.wanted.ID.String()}
	if ignoring(it.wanted.Release) == ignorePrune {
		extra[extraKeep] = "true"
	}
	return &kube.Entry{ID: entryID(it.release), Source: it.wanted.Source, Extra: extra}
}

func (it *item) entryDiffers() bool {
	want := it.wantedEntry()
	return it.entry == nil || it.entry.Source != want.Source || !maps.Equal(it.entry.Extra, want.Extra)
}

// writeAhead puts into the inventory what is about to be made, before it is, and by which fetch: what
// was fetched earlier is stale from now on, even if this run dies half-way.
func (p *plan) writeAhead(r *Run) {
	for _, it := range p.items {
		if it.result == nil || it.settled() {
			p.inventory.Entries[entryID(it.release)] = it.wantedEntry()
		}
	}
	for _, f := range r.From {
		state, known := p.inventory.Sources[f.Name]
		if f.State.Fetched.After(state.Fetched) && (known || f.State.Manifests > 0) {
			state.Fetched = f.State.Fetched
			p.inventory.Sources[f.Name] = state
		}
	}
}

// settle takes out of the inventory what was seen gone, and, where all was done, notes what the
// sources brought.
func (p *plan) settle(r *Run, all bool) {
	for _, id := range p.forget {
		delete(p.inventory.Entries, id)
	}
	for _, u := range p.removals {
		if u.result != nil && u.result.Action == Uninstalled {
			delete(p.inventory.Entries, u.entry.ID)
		}
	}
	if !all {
		return
	}
	if p.usesUp {
		p.inventory.Confirmed = ""
	}
	maps.Copy(p.inventory.Sources, p.states)
	for _, source := range r.Dropped {
		if len(p.inventory.Held(source)) == 0 {
			delete(p.inventory.Sources, source)
		}
	}
}

// mark notes a run that changed something.
func (p *plan) mark(r *Run) {
	counts := map[string]int{}
	changed := false
	note := func(result *Result) {
		if result != nil {
			counts[string(result.Action)]++
			changed = changed || result.Action == Installed || result.Action == Upgraded || result.Action == RolledBack || result.Action == Tested || result.Action == Corrected || result.Action == Uninstalled
		}
	}
	for _, it := range p.items {
		note(it.result)
	}
	for _, u := range p.removals {
		note(u.result)
	}
	if changed {
		p.inventory.Last = &kube.LastRun{Ended: r.Lease.Now().UTC(), Run: r.ID, Counts: counts}
	}
}

func oneLine(text string) string {
	lines := strings.FieldsFunc(text, func(c rune) bool { return c == '\n' || c == '\r' })
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return strings.Join(slices.DeleteFunc(lines, func(l string) bool { return l == "" }), "; ")
}
