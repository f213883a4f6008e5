package helmrel

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/release"
)

// grace is how long a Helm action may go on after its context has ended. Helm then notes the revision
// as failed; a process that just ended would leave it pending for good.
const grace = 12 * time.Second

// Task is one release to be installed or upgraded.
type Task struct {
	HelmRelease *HelmRelease
	Chart       *Chart
	Values      Values
	Digest      string
	Owner       Owner
	// History is what the decision was made by.
	History  History
	Decision Decision
	// DryRun renders and validates, and writes nothing.
	DryRun bool
	// Diff asks for Outcome.Changes.
	Diff bool
	// CRDs is the policy for the chart's definitions.
	CRDs CRDPolicy
	// Left says of another HelmRelease that it is gone for good, so that its objects pass on; nil: of none.
	Left func(ID) bool
	// Reached, where set, is told of each phase after the first as it begins.
	Reached func(Phase)
}

func (t Task) reached(p Phase) {
	if t.Reached != nil {
		t.Reached(p)
	}
}

// Outcome is what became of a task.
type Outcome struct {
	// Revision is the release's last revision; 0 when it has none.
	Revision int
	// RolledBack says that the upgrade failed and the release is back at an older revision's state,
	// RollbackFailed that it was to be.
	RolledBack, RollbackFailed bool
	// Test is how the chart's tests ended; empty where they were not run.
	Test TestOutcome
	// Changes are the objects in which the render differs from the deployed revision; hooks are left out.
	Changes []ObjectChange
	// Note is what people are told besides, of a dry run what it could not find out; empty otherwise.
	Note string
}

// Do takes the step that was decided for a release. When ctx ends Helm gets a few seconds to finish,
// and then notes the revision as failed. A render of too few objects is refused with a [*ShrunkError].
func (c *Cluster) Do(ctx context.Context, t Task) (Outcome, error) {
	out, err := c.try(ctx, t)
	if unknownKind(err) {
		// nothing was written yet, and another release of this run may have brought the kind
		c.forget()
		out, err = c.try(ctx, t)
	}
	if unknownKind(err) && t.DryRun {
		return Outcome{Revision: t.Decision.Revision, Note: "not checked against the API server: " + err.Error()}, nil
	}
	return out, err
}

// unknownKind reports whether a manifest names a kind that the API server does not know. Helm passes
// the error on as text.
func unknownKind(err error) bool {
	return err != nil && strings.Contains(err.Error(), "no matches for kind")
}

func (c *Cluster) try(ctx context.Context, t Task) (Outcome, error) {
	id := t.HelmRelease.Release()
	if err := checkReleaseName(id.Name); err != nil {
		return Outcome{}, err
	}
	s, err := c.session(id, t.HelmRelease.ID(), t.History)
	if err != nil {
		return Outcome{}, err
	}
	if version := t.Decision.Interrupted; version != 0 && !t.DryRun {
		if err := s.store.noteInterrupted(t.History, version); err != nil {
			return Outcome{Revision: version}, err
		}
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	out, err := s.step(ctx, t)
	out.Changes = s.changes
	return out, err
}

func (s *session) step(ctx context.Context, t Task) (out Outcome, err error) {
	switch last := lastRevision(t.History); {
	case t.Decision.Step == StepRollback && t.DryRun:
		return Outcome{Revision: t.Decision.Revision, RolledBack: true}, nil
	case t.Decision.Step == StepRollback:
		return s.rollback(ctx, t, Outcome{Revision: last}, nil)
	case t.Decision.Step == StepTest:
		out.Revision = last
	default:
		if out, err = s.make(ctx, t); err != nil || t.DryRun {
			return out, err
		}
	}
	if spec := t.HelmRelease.Spec; spec.Test.Enable && !t.DryRun {
		if out, err = s.test(ctx, t, out); out.Test == TestFailed && spec.Rollback.Enable {
			return s.rollback(ctx, t, out, err)
		}
	}
	return out, err
}

// make installs or upgrades.
func (s *session) make(ctx context.Context, t Task) (Outcome, error) {
	helmChart, err := t.Chart.part.helm()
	if err != nil {
		return Outcome{}, err
	}
	s.store.state = t.revision(t.Decision.Revision)
	brings, err := s.bring(t, helmChart)
	if err != nil {
		return Outcome{Revision: lastRevision(t.History)}, fault("bringing the chart's definitions", err)
	}
	if t.Decision.Step == StepInstall {
		return s.install(ctx, t, helmChart, brings)
	}
	return s.upgrade(ctx, t, helmChart, brings)
}

// bounded is a context that ends a grace after its parent.
func bounded(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(parent))
	stop := context.AfterFunc(parent, func() { time.AfterFunc(grace, cancel) })
	return ctx, func() { stop(); cancel() }
}

// within runs an action of Helm's that takes no context, and ends by its own timeout.
func within(ctx context.Context, run func() error) error {
	done := make(chan error, 1)
	go func() { done <- run() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// install and upgrade do without Helm's OpenAPI validation: it spends 30 to 150 ms on reading the API
// server's schema, to find that the server validates fields itself, and then leaves it at that.
func (s *session) install(ctx context.Context, t Task, helmChart *chart.Chart, brings bool) (Outcome, error) {
	spec := t.HelmRelease.Spec
	install := action.NewInstall(s.cfg)
	install.ReleaseName, install.Namespace = s.id.Name, s.id.Namespace
	install.Timeout = spec.HelmTimeout()
	install.Wait = spec.HelmWait()
	install.SkipCRDs = true // bring has done it
	install.DisableOpenAPIValidation = true
	install.Replace = len(t.History) > 0 // uninstalled with its history kept
	if t.DryRun {
		install.DryRun, install.DryRunOption = true, "server"
	}
	counted := s.counterOf(t, brings)
	install.PostRenderer = counted
	done, err := install.RunWithContext(ctx, helmChart, t.Values)
	if counted.refused != nil {
		return outcome(nil, t, err), counted.refused
	}
	return outcome(done, t, err), fault("installing", err)
}

func (s *session) upgrade(ctx context.Context, t Task, helmChart *chart.Chart, brings bool) (Outcome, error) {
	spec := t.HelmRelease.Spec
	upgrade := action.NewUpgrade(s.cfg)
	upgrade.Namespace = s.id.Namespace
	upgrade.Timeout = spec.HelmTimeout()
	upgrade.Wait = spec.HelmWait()
	upgrade.Force = spec.ForceUpgrade
	upgrade.MaxHistory = spec.History()
	upgrade.ResetValues, upgrade.ReuseValues = spec.Reset(), !spec.Reset()
	upgrade.DisableOpenAPIValidation = true
	if t.DryRun {
		upgrade.DryRun, upgrade.DryRunOption = true, "server"
	}
	counted := s.counterOf(t, brings)
	upgrade.PostRenderer = counted
	done, err := upgrade.RunWithContext(ctx, s.id.Name, helmChart, t.Values)
	if counted.refused != nil {
		return outcome(nil, t, err), counted.refused
	}
	out := outcome(done, t, err)
	if err == nil || t.DryRun || !spec.Rollback.Enable {
		return out, fault("upgrading", err)
	}
	return s.rollback(ctx, t, out, fault("upgrading", err))
}

// outcome reads Helm's answer. Helm hands a release back also for failures that came before it was
// stored; a stored one that failed has that status, and was rendered.
func outcome(done *release.Release, t Task, err error) Outcome {
	stored := done != nil && (err == nil || done.Info.Status == release.StatusFailed &&
		!strings.HasPrefix(done.Info.Description, "failed to render resource"))
	if stored {
		return Outcome{Revision: done.Version}
	}
	if n := len(t.History); n > 0 {
		return Outcome{Revision: t.History[n-1].Version}
	}
	return Outcome{}
}

// rollback brings the state back that was there before a revision failed. It leaves alone what failed
// before it came to a revision.
func (s *session) rollback(ctx context.Context, t Task, out Outcome, cause error) (Outcome, error) {
	failed := out.Revision
	if t.Decision.Step == StepRollback {
		failed = Wish{Digest: t.Digest}.failures(t.History).last
	}
	to := rollbackTarget(t.History, failed)
	if to == 0 || cause != nil && out.Revision != t.Decision.Revision {
		return out, cause
	}
	if err := s.restorable(out.Revision, to, t.Left); err != nil {
		out.RollbackFailed = true
		if cause != nil {
			err = fmt.Errorf("%w; not rolled back: %s", cause, err.Error())
		}
		return out, err
	}
	t.reached(PhaseRollingBack)
	spec := t.HelmRelease.Spec
	back := action.NewRollback(s.cfg)
	back.Version = to
	back.Timeout = spec.Rollback.HelmTimeout()
	back.Wait = spec.Rollback.Wait
	back.Force = spec.Rollback.Force
	back.Recreate = spec.Rollback.Recreate
	back.DisableHooks = spec.Rollback.DisableHooks
	back.MaxHistory = spec.History()
	s.store.state = t.revision(out.Revision + 1)
	s.store.state.Back, s.store.state.Attempt, s.store.state.Digest = true, 0, madeOf(t.History, to)
	err := within(ctx, func() error { return back.Run(s.id.Name) })
	out.Revision, out.RolledBack, out.RollbackFailed = out.Revision+1, err == nil, err != nil
	return out, errors.Join(cause, fault("rolling back", err))
}

// madeOf is what a revision is made of; one that was not made here has no digest.
func madeOf(h History, version int) string {
	for _, r := range h {
		if r.Version == version && r.Digest != "" {
			return r.Digest
		}
	}
	return "unknown"
}

// neverDeployed reports whether all that is known of a release was made here and came to nothing. Whatever
// it has made bears its marks.
func (h History) neverDeployed() bool {
	for _, r := range h {
		if r.Digest == "" || r.Status != statusFailed && !strings.HasPrefix(r.Status, pendingPrefix) || r.Test != "" || r.Back {
			return false
		}
	}
	return len(h) > 0
}

// standing is the revision that an upgrade goes on from, of which objects are deleted: where none is
// deployed, as after failed tests or an uninstall that was interrupted, the last one. 0 for none.
func (h History) standing() int {
	if version := lastDeployed(h); version != 0 || h.neverDeployed() {
		return version
	}
	return lastRevision(h)
}

func lastDeployed(h History) int {
	for i := len(h) - 1; i >= 0; i-- {
		if h[i].Status == statusDeployed {
			return h[i].Version
		}
	}
	return 0
}

// Uninstall removes a release, its objects and its history. One that is not there is no error. One of
// whose objects is somebody else's by now is left as it is, with a [*TakenError].
func (c *Cluster) Uninstall(ctx context.Context, id ReleaseID, owner ID, h History) error {
	s, err := c.session(id, owner, h)
	if err != nil {
		return err
	}
	if err := s.uninstallable(h); err != nil {
		return err
	}
	uninstall := action.NewUninstall(s.cfg)
	uninstall.Timeout = DefaultTimeout
	uninstall.IgnoreNotFound = true
	ctx, cancel := bounded(ctx)
	defer cancel()
	return fault("uninstalling", within(ctx, func() error {
		_, err := uninstall.Run(id.Name)
		if err != nil && len(s.notes) > 0 {
			err = fmt.Errorf("%w: %s", err, strings.Join(s.notes, "; "))
		}
		return err
	}))
}

func fault(doing string, err error) error {
	if err == nil {
		return nil
	}
	// Helm's list of errors has a heading and bullets, also where it is a list of one
	text := regexp.MustCompile(`\d+ errors? occurred:\s+\* `).ReplaceAllString(strings.TrimSpace(err.Error()), "")
	return &helmError{doing + ": " + text, err}
}

// helmError is an error of Helm's in one voice with ours.
type helmError struct {
	text string
	err  error
}

func (e *helmError) Error() string { return e.text }

func (e *helmError) Unwrap() error { return e.err }
