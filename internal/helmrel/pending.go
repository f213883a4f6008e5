package helmrel

import (
	"fmt"
	"strings"
	"time"
)

// patience is how often in a row a run may be killed in the middle of the same upgrade before that
// counts as a failure of the upgrade.
const patience = 3

// open says that some Helm is at work on the revision, or was when it died.
func (r Revision) open() bool {
	return r.Status == statusUninstalling || strings.HasPrefix(r.Status, pendingPrefix)
}

// foreignWork says that somebody else may be at work on the revision.
func (r Revision) foreignWork(now time.Time, timeout time.Duration) bool {
	return strings.HasPrefix(r.Status, pendingPrefix) && r.Digest == "" && r.younger(now, timeout)
}

func (r Revision) younger(now time.Time, age time.Duration) bool {
	return r.Since.IsZero() || now.Sub(r.Since) < age
}

// recover decides about a release in the middle of something. What was begun here was begun under the
// lease, which is free or ours by now: whoever began it is dead. What somebody else began, a person
// with helm, has no lease, and is theirs until it is as old as it may become. An uninstall bears no
// mark of who began it.
func (w Wish) recover(h History) Decision {
	last := h[len(h)-1]
	if last.Status == statusUninstalling && last.younger(w.Now, w.Timeout) || last.foreignWork(w.Now, w.Timeout) {
		return blocked(last, Decision{Code: CodePending,
			Why:  fmt.Sprintf("revision %d is %s, and was not begun here: another Helm is at work, or was killed", last.Version, last.Status),
			Hint: fmt.Sprintf("a later run takes it up once it is older than spec.timeout, %s", inWords(w.Timeout))})
	}
	why := fmt.Sprintf("revision %d was interrupted: it was left %s", last.Version, last.Status)
	if last.Status == statusUninstalling {
		why = fmt.Sprintf("revision %d was being uninstalled, and that was interrupted", last.Version)
	}
	f := w.failures(h[:len(h)-1])
	if last.Digest == w.Digest && !last.Back {
		f.attempts = max(f.attempts, last.Attempt)
		if tired := (failure{last.Version, f.attempts, last.Since}); f.attempts >= patience && w.backoff(tired) != 0 {
			return blocked(last, Decision{Code: CodeFailing,
				Why:  fmt.Sprintf("%s, and %d runs were killed in it; it is tried again %s later", why, f.attempts, inWords(w.backoff(tired))),
				Hint: "find out what kills the run, its memory limit perhaps; --retry-failed repeats it now"})
		}
	}
	d := Decision{Step: StepUpgrade, Revision: last.Version + 1, Interrupted: last.Version, Attempt: f.attempts + 1, Why: why}
	if f.last != 0 && w.Rollback && w.backoff(f) != 0 && rollbackTarget(h, f.last) != 0 {
		d.Step = StepRollback
	}
	return d
}

// rollbackTarget is the revision that a failed one is rolled back to: the one that was deployed before
// it; 0 for none. Where the failed one had been deployed, and failed its tests, that was superseded.
func rollbackTarget(h History, failed int) int {
	superseded := 0
	for i := len(h) - 1; i >= 0; i-- {
		switch r := h[i]; {
		case r.Version >= failed:
		case r.Status == statusDeployed:
			return r.Version
		case r.Status == "superseded" && superseded == 0:
			superseded = r.Version
		}
	}
	return superseded
}
