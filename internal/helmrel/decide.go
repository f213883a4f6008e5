package helmrel

import (
	"fmt"
	"strings"
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
	// Retries is how often a failed upgrade is repeated with nothing changed; -1 is without end.
	Retries int
	// Again repeats a failed one in any case.
	Again bool
}

// Step is what to do about a release.
type Step string

// The steps.
const (
	StepInstall   Step = "install"
	StepUpgrade   Step = "upgrade"
	StepUnchanged Step = "unchanged"
	StepBlocked   Step = "blocked"
)

// Decision is a step, and why.
type Decision struct {
	Step Step
	// Revision is the release's revision after the step, 0 where there will be none.
	Revision int
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
	CodeShrunk  = "shrunk-release"  // most of it would be deleted
)

// Decide chooses the step for a release by what the cluster holds of it. The first rule that fits is
// taken; the order is documented in the manual of helm-reconcile.
func Decide(h History, w Wish) Decision {
	if len(h) == 0 {
		return Decision{Step: StepInstall, Revision: 1}
	}
	last := h[len(h)-1]
	next := last.Version + 1
	switch {
	case last.Status == statusUninstalled:
		return Decision{Step: StepInstall, Revision: next, Why: "the release was uninstalled and its history kept"}
	case w.foreign(last) != nil:
		return blocked(last, *w.foreign(last))
	case last.Status == statusUninstalling:
		return blocked(last, Decision{Code: CodePending, Why: fmt.Sprintf("revision %d is being uninstalled", last.Version),
			Hint: "if nothing is at work on it, finish it with helm uninstall"})
	case strings.HasPrefix(last.Status, pendingPrefix):
		return blocked(last, Decision{Code: CodePending, Why: fmt.Sprintf("revision %d is %s: another Helm is at work, or one was killed", last.Version, last.Status),
			Hint: "if nothing is at work on it, go back with helm rollback, or helm uninstall a first revision"})
	}
	if _, owner := w.Owner.labels(); last.Status == statusDeployed && last.Digest == w.Digest && last.Owner == owner {
		return Decision{Step: StepUnchanged, Revision: last.Version}
	}
	failed, attempts := w.failures(h)
	if failed != 0 && !w.Again && w.Retries >= 0 && attempts > w.Retries {
		return blocked(last, Decision{Code: CodeFailing, Why: fmt.Sprintf("revision %d failed with the same chart and values", failed),
			Hint: "change the chart or the values, or repeat it once with --retry-failed"})
	}
	return Decision{Step: StepUpgrade, Revision: next, Why: because(last, failed)}
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

// failures gives the last revision that was made here, if it failed and was made of the same, and how
// many such failures there are. A rollback or an upgrade by hand after it does not count as a cure.
func (w Wish) failures(h History) (last, attempts int) {
	for _, r := range h {
		if r.Digest == "" {
			continue
		}
		last = 0
		if r.Digest == w.Digest && r.Status == statusFailed {
			last = r.Version
			attempts++
		}
	}
	return last, attempts
}

func because(last Revision, failed int) string {
	switch {
	case failed != 0:
		return fmt.Sprintf("revision %d failed and is tried again", failed)
	case last.Digest == "":
		return fmt.Sprintf("revision %d was not made here", last.Version)
	case last.Status == statusFailed:
		return fmt.Sprintf("revision %d failed; chart or values have changed since", last.Version)
	default:
		return ""
	}
}
