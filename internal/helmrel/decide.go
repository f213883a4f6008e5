package helmrel

import (
	"fmt"
	"strings"
	"time"
)

// Revision is what the metadata of one release record says.
type Revision struct {
	// Version is Helm's number of the revision, from 1.
	Version int
	// Status is Helm's word, for example deployed, failed, pending-upgrade.
	Status string
	// Digest is what this revision was made of; empty when it was not made here.
	Digest string
	// Owner and Inventory are the labels that say whose the release is; empty on one made by hand.
	Owner, Inventory string
	// Attempt counts, from 1, how often the same digest was tried; 0 when it was not made here.
	Attempt int
	// Back says that this revision was made here by rolling back.
	Back bool
	// Interrupted says that the run which made it died, and that a later one noted that.
	Interrupted bool
	// Test is the outcome of the chart's tests, empty before they were run.
	Test TestOutcome
	// Since is when the record was written last, to the second; zero when that is not known.
	Since time.Time
}

// History is what the cluster holds of one release, oldest revision first.
type History []Revision

// Helm's statuses that a rule below names.
const (
	statusDeployed     = "deployed"
	statusFailed       = "failed"
	statusUninstalled  = "uninstalled"
	statusUninstalling = "uninstalling"
	pendingPrefix      = "pending-"
)

// Owner is whose a release is.
type Owner struct {
	Inventory ID
	Release   ID // the HelmRelease
}

func (o Owner) labels() (inventory, owner string) {
	return labelOf(o.Inventory.Namespace, o.Inventory.Name), labelOf(o.Release.Namespace, o.Release.Name)
}

// Wish is what is wanted of one release, and what is allowed for it.
type Wish struct {
	// Digest is what the release is to be made of.
	Digest string
	Owner  Owner
	// Known says that the inventory holds the release as this owner's.
	Known bool
	// Left says of another HelmRelease of the same inventory, by its label, that it is gone for good,
	// so that its release may pass to a new one. Nil: none is.
	Left func(owner string) bool
	// Adopt allows taking over a release that somebody made by hand.
	Adopt bool
	// Rollback says that a failed upgrade is rolled back, Test that the chart's tests are run.
	Rollback, Test bool
	// Retries is how often a failed upgrade is repeated at once with nothing changed; -1 is without end.
	Retries int
	// Again repeats a failed one in any case.
	Again bool
	// Now is the time that ages are judged by, Timeout the age from which a pending revision that was
	// not made here counts as interrupted.
	Now     time.Time
	Timeout time.Duration
}

// Step is what to do about a release.
type Step string

// The steps.
const (
	StepInstall   Step = "install"
	StepUpgrade   Step = "upgrade"
	StepRollback  Step = "rollback"
	StepTest      Step = "test"
	StepUnchanged Step = "unchanged"
	StepCorrect   Step = "correct" // what somebody has changed of its objects
	StepBlocked   Step = "blocked"
)

// Decision is a step, and why.
type Decision struct {
	Step Step
	// Revision is the release's revision after the step, 0 where there will be none.
	Revision int
	// Interrupted is the revision that a killed Helm left pending, and that is to be noted as failed
	// before the step; 0 for none. Attempt counts how often the digest is tried, this time included.
	Interrupted, Attempt int
	// Why says what led to the step; empty where it says itself.
	Why string
	// Code and Hint go with a blocked release: a word for programs, and what a person can do.
	Code, Hint string
}

// The codes of a blocked release.
const (
	CodePending = "pending-release" // Helm was interrupted in it, or is at work
	CodeForeign = "foreign-release" // it is somebody else's
	CodeFailing = "failed-before"   // the same chart and values failed already
	CodeMigrate = "helm2-release"   // it is to be converted from Helm 2
	CodeShrunk  = "shrunk-release"  // most of it would be deleted
)

// Decide chooses the step for a release by what the cluster holds of it. The first rule that fits is
// taken; the order is documented in the manual of helm-reconcile.
func Decide(h History, w Wish) Decision {
	if len(h) == 0 {
		return Decision{Step: StepInstall, Revision: 1, Attempt: 1}
	}
	last := h[len(h)-1]
	next := last.Version + 1
	foreign := w.foreign(last)
	switch {
	case last.Status == statusUninstalled:
		return Decision{Step: StepInstall, Revision: next, Attempt: 1, Why: "the release was uninstalled and its history kept"}
	case foreign != nil:
		return blocked(last, *foreign)
	case last.open():
		return w.recover(h)
	}
	if _, owner := w.Owner.labels(); last.Status == statusDeployed && last.Digest == w.Digest && last.Owner == owner {
		if w.Test && last.Test == "" {
			return Decision{Step: StepTest, Revision: last.Version, Attempt: last.Attempt, Why: "its tests were not run yet"}
		}
		return Decision{Step: StepUnchanged, Revision: last.Version}
	}
	f := w.failures(h)
	switch wait := w.backoff(f); {
	case wait == 0:
		return Decision{Step: StepUpgrade, Revision: next, Attempt: f.attempts + 1, Why: because(last, f.last)}
	case w.Rollback && last.Version == f.last && rollbackTarget(h, f.last) != 0:
		return Decision{Step: StepRollback, Revision: next, Why: fmt.Sprintf("revision %d failed, and was not rolled back", f.last)}
	default:
		return blocked(last, failedBefore(f, wait))
	}
}

func blocked(last Revision, d Decision) Decision {
	d.Step, d.Revision = StepBlocked, last.Version
	return d
}

// foreign says why the release is not this owner's to change; nil when it is.
func (w Wish) foreign(last Revision) *Decision {
	inventory, owner := w.Owner.labels()
	switch {
	case last.Owner == "" && last.Inventory == "":
		if w.Known || w.Adopt {
			return nil
		}
		return &Decision{Code: CodeForeign, Why: "the release was made by somebody else",
			Hint: "take it over with --adopt, or choose another spec.releaseName"}
	case last.Inventory != inventory:
		return &Decision{Code: CodeForeign, Why: "the release belongs to inventory " + last.Inventory,
			Hint: "choose another spec.releaseName, or remove the HelmRelease there first"}
	case last.Owner != owner && (w.Left == nil || !w.Left(last.Owner)):
		return &Decision{Code: CodeForeign, Why: "the release belongs to HelmRelease " + strings.Replace(last.Owner, ".", "/", 1),
			Hint: "give each HelmRelease a spec.releaseName of its own"}
	}
	return nil
}

func because(last Revision, failed int) string {
	switch {
	case failed != 0:
		return fmt.Sprintf("revision %d failed and is tried again", failed)
	case last.Interrupted:
		return fmt.Sprintf("revision %d was interrupted", last.Version)
	case last.Back:
		return fmt.Sprintf("revision %d was rolled back to", last.Version)
	case last.Digest == "":
		return fmt.Sprintf("revision %d was not made here", last.Version)
	case last.Status == statusFailed:
		return fmt.Sprintf("revision %d failed; chart or values have changed since", last.Version)
	default:
		return ""
	}
}
