package reconcile

import (
	"errors"
	"fmt"
	"strings"

	"github.com/sluice-gitops/sluice/internal/jsonl"
	"github.com/sluice-gitops/sluice/internal/kube"
	"github.com/sluice-gitops/sluice/internal/stage"
)

// HoldBack says, under --prune, what was not deleted because not all of its source is here; held
// names by source what would have been.
func (w Words) HoldBack(s *stage.IO, o Options, sources []kube.Source, held map[string][]string) {
	if !o.Prune {
		return
	}
	if complete, named := s.Tally().Incomplete(); !complete && len(named) == 0 && len(sources) == 0 {
		reason := s.Tally().Truncated()
		if reason == nil {
			reason = errors.New("the stream came without its sources")
		}
		s.HoldBack(jsonl.Error{Code: stage.NotWhole, Message: fmt.Sprintf("nothing is %s: %v", w.Deleted, reason),
			Hint: "a stage before this one died: its own message says why"})
	}
	for _, source := range sources {
		if source.Whole {
			continue
		}
		message := fmt.Sprintf("nothing of it is %s: %v", w.Deleted, s.Tally().Whole(source.Name))
		if names := held[source.Name]; len(names) > 0 {
			message += "; held back: " + list(names)
		}
		s.HoldBack(jsonl.Error{Code: stage.NotWhole, Source: source.Name, Message: message,
			Hint: fmt.Sprintf("--assume-whole %ss all the same; a stage that filters on purpose wants no --prune", w.Delete)})
	}
}

// Unheld warns of a --drop-source of which the inventory holds nothing: most likely a misspelt name.
func Unheld(s *stage.IO) func(source string) {
	return func(source string) { s.Warn("--drop-source %s: the inventory holds nothing of it", source) }
}

// list names up to ten.
func list(names []string) string {
	if len(names) > 10 {
		return strings.Join(names[:10], ", ") + fmt.Sprintf(" and %d more", len(names)-10)
	}
	return strings.Join(names, ", ")
}

// Failure gives an error of a whole run its exit code.
func Failure(s *stage.IO, err error) error {
	var locked *kube.LockedError
	var refused *kube.RefusedError
	var known *stage.Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	code, hint := kube.Explain(err)
	switch {
	case errors.As(err, &locked):
		return stage.WithHint(stage.Locked(fmt.Errorf("another run is at work, nothing was changed: %w", err)), "run again when it is done; the lease of a run that died runs out by itself, at the time in the message")
	case errors.As(err, &refused), errors.Is(err, kube.ErrLostLease), code == "lost-lease":
		return &stage.Error{Exit: stage.CodeRefused, Word: code, Hint: hint, Err: err}
	case s.OutErr() != nil:
		return s.OutErr()
	}
	return &stage.Error{Exit: stage.CodeFailed, Word: code, Hint: hint, Err: err}
}

// Count is how many things came to the same end.
type Count struct {
	Action string
	N      int
	Change bool // it changed something, or under a dry run would
}

// SumUp writes the totals: into the end record, and in one line for people. A run that failed as a
// whole has its error to say that nothing was done.
func SumUp(s *stage.IO, o Options, counts []Count, failed bool) {
	var parts []string
	changes := 0
	for _, c := range counts {
		if c.N == 0 {
			continue
		}
		s.Total(c.Action, c.N)
		parts = append(parts, fmt.Sprintf("%d %s", c.N, c.Action))
		if c.Change {
			changes += c.N
		}
	}
	if changes > 0 && o.ExitCode {
		s.PendingChanges()
	}
	if len(parts) == 0 && !failed {
		parts = []string{"nothing to do"}
	}
	if len(parts) == 0 {
		return
	}
	prefix := ""
	if o.DryRun {
		prefix = "dry run: "
	}
	s.Infof("%s%s", prefix, strings.Join(parts, ", "))
}
