package helmrel

import (
	"fmt"
	"time"
)

// What failed with the same chart, values and options is tried again after firstBackoff, then after
// twice that, and so on up to longestBackoff. An hour is longer than any schedule: a run that comes
// every few minutes makes one failed revision of it, and not twenty.
const (
	firstBackoff   = time.Hour
	longestBackoff = 24 * time.Hour
)

// failure is what the history tells of a digest that failed.
type failure struct {
	last     int // the revision that failed last; 0 where the digest did not fail, or something else was made since
	attempts int // how often it was tried
	since    time.Time
}

// failures looks whether the last thing that was made here is what is wanted, and failed. A rollback, or
// an upgrade by hand, does not count as a cure, and what was interrupted has not failed.
func (w Wish) failures(h History) (f failure) {
	for _, r := range h {
		switch {
		case r.Digest == "" || r.Back:
		case r.Digest != w.Digest || r.Status != statusFailed:
			f = failure{}
		case r.Interrupted:
			f.attempts = max(f.attempts, r.Attempt)
		default:
			f = failure{r.Version, max(f.attempts+1, r.Attempt), r.Since}
		}
	}
	return f
}

// backoff is how long after its failure a digest is tried again; 0 where it may be tried now.
func (w Wish) backoff(f failure) time.Duration {
	if f.last == 0 || w.Again || w.Retries < 0 || f.attempts <= w.Retries {
		return 0
	}
	wait := backoffAfter(f.attempts - w.Retries)
	if !f.since.IsZero() && w.Now.Sub(f.since) >= wait {
		return 0
	}
	return wait
}

// backoffAfter is the wait after so many failures, from 1.
func backoffAfter(failures int) time.Duration {
	wait := firstBackoff
	for ; failures > 1 && wait < longestBackoff; failures-- {
		wait *= 2
	}
	return min(wait, longestBackoff)
}

func failedBefore(f failure, wait time.Duration) Decision {
	return Decision{Code: CodeFailing, Why: fmt.Sprintf("revision %d failed with the same chart and values, and is tried again %s later", f.last, inWords(wait)),
		Hint: "change the chart or the values, or repeat it once with --retry-failed"}
}

// inWords spells a duration of whole hours, minutes or seconds.
func inWords(d time.Duration) string {
	for _, unit := range []struct {
		length time.Duration
		name   string
	}{{time.Hour, "hour"}, {time.Minute, "minute"}, {time.Second, "second"}} {
		switch n := d / unit.length; {
		case d%unit.length != 0 || n == 0:
		case n == 1:
			return "1 " + unit.name
		default:
			return fmt.Sprintf("%d %ss", n, unit.name)
		}
	}
	return d.String()
}
