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
}

// Outcome is what became of a task.
type Outcome struct {
	// Revision is the release's last revision; 0 when it has none.
	Revision int
	// RolledBack says that the upgrade failed and the release is back at an older revision's state.
	RolledBack bool
	// Note is what a dry run could not find out; empty otherwise.
	Note string
}

// Do installs or upgrades a release. When ctx ends Helm gets a few seconds to finish, and then notes
// the revision as failed. A render of too few objects is refused with a [*ShrunkError].
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
	helmChart, err := t.Chart.part.helm()
	if err != nil {
		return Outcome{}, err
	}
	cfg, err := c.configuration(id.Namespace, nil)
	if err != nil {
		return Outcome{}, err
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	if t.Decision.Step == StepInstall {
		return c.install(ctx, cfg, t, helmChart)
	}
	return c.upgrade(ctx, cfg, t, helmChart)
}

// bounded is a context that ends a grace after its parent.
func bounded(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(parent))
	stop := context.AfterFunc(parent, func() { time.AfterFunc(grace, cancel) })
	return ctx, func() { stop(); cancel() }
}

func (t Task) labels() map[string]string {
	inventory, owner := t.Owner.labels()
	return map[string]string{LabelDigest: digestLabel(t.Decision.Revision, t.Digest), LabelOwner: owner, LabelInventory: inventory}
}

// install and upgrade do without Helm's OpenAPI validation: it spends 30 to 150 ms on reading the API
// server's schema, to find that the server validates fields itself, and then leaves it at that.
func (c *Cluster) install(ctx context.Context, cfg *action.Configuration, t Task, helmChart *chart.Chart) (Outcome, error) {
	spec, id := t.HelmRelease.Spec, t.HelmRelease.Release()
	brings := len(helmChart.CRDObjects()) > 0 && !spec.SkipCRDs
	if brings {
		cfg.Capabilities = nil // Helm asks again once the chart's CRDs are there
		defer c.forget()
	}
	install := action.NewInstall(cfg)
	install.ReleaseName, install.Namespace = id.Name, id.Namespace
	install.Labels = t.labels()
	install.Timeout = spec.HelmTimeout()
	install.Wait = spec.HelmWait()
	install.SkipCRDs = spec.SkipCRDs
	install.DisableOpenAPIValidation = true
	install.Replace = len(t.History) > 0 // uninstalled with its history kept
	if t.DryRun {
		install.DryRun, install.DryRunOption = true, "server"
	}
	counted := t.counterOf(cfg, brings)
	install.PostRenderer = counted
	done, err := install.RunWithContext(ctx, helmChart, t.Values)
	if counted.refused != nil {
		return outcome(nil, t, err), counted.refused
	}
	return outcome(done, t, err), fault("installing", err)
}

func (c *Cluster) upgrade(ctx context.Context, cfg *action.Configuration, t Task, helmChart *chart.Chart) (Outcome, error) {
	spec, id := t.HelmRelease.Spec, t.HelmRelease.Release()
	upgrade := action.NewUpgrade(cfg)
	upgrade.Namespace = id.Namespace
	upgrade.Labels = t.labels()
	upgrade.Timeout = spec.HelmTimeout()
	upgrade.Wait = spec.HelmWait()
	upgrade.Force = spec.ForceUpgrade
	upgrade.MaxHistory = spec.History()
	upgrade.ResetValues, upgrade.ReuseValues = spec.Reset(), !spec.Reset()
	upgrade.DisableOpenAPIValidation = true
	if t.DryRun {
		upgrade.DryRun, upgrade.DryRunOption = true, "server"
	}
	counted := t.counterOf(cfg, false)
	upgrade.PostRenderer = counted
	done, err := upgrade.RunWithContext(ctx, id.Name, helmChart, t.Values)
	if counted.refused != nil {
		return outcome(nil, t, err), counted.refused
	}
	out := outcome(done, t, err)
	if err == nil || t.DryRun || !spec.Rollback.Enable {
		return out, fault("upgrading", err)
	}
	return c.rollback(ctx, t, out, fault("upgrading", err))
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

// rollback brings the state back that was there before a failed upgrade, if the upgrade got so far as
// to leave a revision.
func (c *Cluster) rollback(ctx context.Context, t Task, out Outcome, cause error) (Outcome, error) {
	to := lastDeployed(t.History)
	if to == 0 || out.Revision != t.Decision.Revision {
		return out, cause
	}
	spec, id := t.HelmRelease.Spec, t.HelmRelease.Release()
	cfg, err := c.configuration(id.Namespace, nil)
	if err != nil {
		return out, errors.Join(cause, err)
	}
	back := action.NewRollback(cfg)
	back.Version = to
	back.Timeout = spec.Rollback.HelmTimeout()
	back.Wait = spec.Rollback.Wait
	back.Force = spec.Rollback.Force
	back.Recreate = spec.Rollback.Recreate
	back.DisableHooks = spec.Rollback.DisableHooks
	back.MaxHistory = spec.History()
	// Helm's rollback takes no context; it ends by its own timeout
	done := make(chan error, 1)
	go func() { done <- back.Run(id.Name) }()
	select {
	case err = <-done:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		return Outcome{Revision: out.Revision + 1}, errors.Join(cause, fault("rolling back", err))
	}
	return Outcome{Revision: out.Revision + 1, RolledBack: true}, cause
}

func lastDeployed(h History) int {
	for i := len(h) - 1; i >= 0; i-- {
		if h[i].Status == statusDeployed {
			return h[i].Version
		}
	}
	return 0
}

// Uninstall removes a release, its objects and its history. One that is not there is no error.
func (c *Cluster) Uninstall(ctx context.Context, id ReleaseID) error {
	var notes []string
	cfg, err := c.configuration(id.Namespace, &notes)
	if err != nil {
		return err
	}
	uninstall := action.NewUninstall(cfg)
	uninstall.Timeout = DefaultTimeout
	uninstall.IgnoreNotFound = true
	ctx, cancel := bounded(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := uninstall.Run(id.Name)
		if err != nil && len(notes) > 0 {
			err = fmt.Errorf("%w: %s", err, strings.Join(notes, "; "))
		}
		done <- err
	}()
	select {
	case err := <-done:
		return fault("uninstalling", err)
	case <-ctx.Done():
		return fault("uninstalling", context.Cause(ctx))
	}
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
