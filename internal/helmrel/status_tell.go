package helmrel

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sluice-gitops/sluice/internal/kube"
)

// tellLimit is the time that a status has to be written in, also by a run that was stopped.
const tellLimit = 5 * time.Second

// teller keeps the cluster's HelmReleases up to date about what a run does: their status, and Events.
type teller struct {
	statuses
	now    func() time.Time
	events *kube.Notices // nil for none

	said struct {
		sync.Mutex
		notices []kube.Notice
	}
}

// newTeller looks at the objects of what is wanted. A run that changes nothing by its flags tells nothing.
func (r *Run) newTeller(ctx context.Context) error {
	if r.DryRun || r.teller != nil || len(r.Wanted) == 0 {
		return nil
	}
	t := &teller{statuses: statuses{cluster: r.Cluster, note: func(string) {}}, now: r.now, events: r.Events}
	if r.Note != nil {
		t.note = r.Note
	}
	if r.Objects != nil {
		t.objects = seen{APIVersion: {}, LegacyAPIVersion: {}}
		for i, o := range r.Objects {
			t.objects[o.APIVersion][o.ID] = &r.Objects[i]
		}
		r.teller = t
		return nil
	}
	var err error
	if t.objects, err = r.Cluster.look(ctx, r.Wanted, t.note); err == nil {
		r.teller = t
	}
	return err
}

// progress tells that a phase has begun that may take long.
func (t *teller) progress(ctx context.Context, it *item, phase Phase) {
	o := t.object(it)
	if o == nil {
		return
	}
	next := o.Status.copied()
	next.ReleaseName = it.release.Name
	if phase == PhaseInstalling || phase == PhaseUpgrading {
		next.LastAttemptedRevision = it.chartRevision()
	}
	next.reach(step{phase: phase, release: it.release, now: t.now()})
	t.write(ctx, o, next)
}

func (t *teller) object(it *item) *Object {
	if t == nil || it.ignored || it.twin {
		return nil
	}
	return t.of(it.wanted)
}

// result tells how it went with a HelmRelease.
func (t *teller) result(ctx context.Context, it *item) {
	o := t.object(it)
	if o == nil || it.result == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tellLimit)
	defer cancel()
	before := o.Status.copied()
	next := o.Status.copied()
	it.conclude(&next, o.Generation, t.now())
	t.write(ctx, o, next)
	fails := it.result.Code != "" || it.result.Outcome.RolledBack
	if it.started || fails && !before.failsLike(next) {
		t.say(o, it, fails)
	}
}

func (t *teller) say(o *Object, it *item, fails bool) {
	notice := kube.Notice{About: kube.Involved{APIVersion: o.APIVersion, Kind: Kind, Namespace: o.ID.Namespace, Name: o.ID.Name, UID: o.UID},
		Warning: fails, Reason: "ReleaseSynced", Message: fmt.Sprintf("release %s %s", it.release.Name, it.result.Action)}
	if fails {
		notice.Reason = "FailedReleaseSync"
	} else {
		notice.Message += fmt.Sprintf(", chart %s %s, revision %d", it.result.Chart, it.result.Version, it.result.Revision)
	}
	if it.result.Message != "" {
		notice.Message += ": " + it.result.Message
	}
	t.said.Lock()
	defer t.said.Unlock()
	t.said.notices = append(t.said.notices, notice)
}

// close writes the events of the run.
func (t *teller) close(ctx context.Context, atOnce int) {
	if t == nil || t.events == nil || len(t.said.notices) == 0 {
		return
	}
	slices.SortFunc(t.said.notices, func(a, b kube.Notice) int {
		return strings.Compare(a.About.Namespace+"/"+a.About.Name, b.About.Namespace+"/"+b.About.Name)
	})
	t.events.Tell(ctx, t.said.notices, atOnce)
}

// all tells the results of a plan in which nothing had to be done.
func (t *teller) all(ctx context.Context, items []*item, atOnce int) {
	if t == nil {
		return
	}
	var group errgroup.Group
	group.SetLimit(max(atOnce, 1))
	for _, it := range items {
		group.Go(func() error { t.result(ctx, it); return nil })
	}
	_ = group.Wait()
}

func (s Status) copied() Status {
	s.Conditions = slices.Clone(s.Conditions)
	return s
}

// failsLike reports whether a status told of the same failure already.
func (s Status) failsLike(other Status) bool {
	reason := func(s Status) string {
		for _, c := range s.Conditions {
			if c.Type == conditionReleased && c.Status == no {
				return c.Reason + "\x00" + c.Message
			}
		}
		return ""
	}
	return reason(s) != "" && reason(s) == reason(other)
}

// chartRevision is the commit of a chart in git, or the version of another one; empty without a chart.
func (it *item) chartRevision() string {
	switch p := it.prepared; {
	case p == nil || p.chart == nil:
		return ""
	case it.wanted.Release.Spec.Chart.FromGit():
		return p.chart.Revision
	default:
		return p.chart.Version
	}
}

// conclude brings a status to what came of the HelmRelease.
func (it *item) conclude(s *Status, generation int64, now time.Time) {
	s.ObservedGeneration = generation
	if it.wanted.Release != nil {
		s.ReleaseName, s.ReleaseStatus = it.release.Name, it.helmStatus()
	}
	chart := it.chartRevision()
	if chart != "" && (it.started || s.LastAttemptedRevision == "") && it.result.Code != CodeForeign {
		s.LastAttemptedRevision = chart
	}
	at := step{release: it.release, detail: it.result.Message, now: now}
	phases := it.phases()
	last := phases[len(phases)-1]
	if it.result.Code == CodeFailing && s.failing() {
		return // the status tells of the failure itself, in more words
	}
	for _, at.phase = range phases {
		s.reach(at)
	}
	switch it.tested() {
	case TestPassed:
		s.set(conditionTested, yes, PhaseTested, at)
	case TestIgnored:
		s.set(conditionTested, no, PhaseTestFailed, at)
	case "":
		s.drop(conditionTested)
	}
	if last == PhaseSucceeded && chart != "" && (it.started || s.Revision == "") {
		s.Revision = chart
	}
}

// phases are those that tell how it went, the last one being the phase of the status.
func (it *item) phases() []Phase {
	result, p := it.result, it.prepared
	switch {
	case result.Code == "" && !result.Outcome.RolledBack:
		return []Phase{PhaseSucceeded}
	case p != nil && p.fault != nil && p.chart == nil && it.wanted.Release != nil && checkReleaseName(it.release.Name) == nil:
		return []Phase{PhaseChartFetchFailed}
	case result.Code == CodeFailing:
		return it.pastPhases()
	case !it.started, result.Action == Blocked:
		return []Phase{PhaseFailed}
	}
	failed := PhaseDeployFailed
	if result.Outcome.Test == TestFailed {
		failed = PhaseTestFailed
	}
	switch {
	case result.Outcome.RolledBack:
		return []Phase{failed, PhaseRollingBack, PhaseRolledBack}
	case result.Outcome.RollbackFailed:
		return []Phase{failed, PhaseRollingBack, PhaseRollbackFailed}
	}
	return []Phase{failed}
}

// pastPhases tell of a failure in a run before, as far as the history does.
func (it *item) pastPhases() []Phase {
	phases := []Phase{PhaseDeployFailed}
	for _, r := range it.history {
		switch {
		case r.Digest == it.prepared.digest && r.Status == statusFailed && r.Test == TestFailed:
			phases = []Phase{PhaseTestFailed}
		case r.Digest == it.prepared.digest && r.Status == statusFailed:
			phases = []Phase{PhaseDeployFailed}
		}
	}
	if last := it.history[len(it.history)-1]; last.Back && last.Status == statusDeployed {
		phases = append(phases, PhaseRolledBack)
	}
	return phases
}

// tested is the outcome of the chart's tests; empty where they are not asked for.
func (it *item) tested() TestOutcome {
	switch {
	case it.wanted.Release == nil || !it.wanted.Release.Spec.Test.Enable:
		return ""
	case it.result.Outcome.Test != "":
		return it.result.Outcome.Test
	case len(it.history) > 0:
		return it.history[len(it.history)-1].Test
	}
	return ""
}

// helmStatus is Helm's word for the release's last revision, after the run.
func (it *item) helmStatus() string {
	result, outcome, last := it.result, it.result.Outcome, lastRevision(it.history)
	switch {
	case result.Revision == 0:
		return ""
	case it.started && outcome.Test == TestFailed && !outcome.RolledBack, it.started && outcome.RollbackFailed:
		return statusFailed
	case it.started && result.Revision > last && (result.Code == "" || outcome.RolledBack):
		return statusDeployed
	case it.started && result.Revision > last:
		return statusFailed
	case last > 0:
		return it.history[len(it.history)-1].Status
	}
	return ""
}
