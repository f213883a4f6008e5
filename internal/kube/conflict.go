package kube

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// conflict is one field that another manager owns.
type conflict struct{ manager, field string }

// conflictsIn reads the conflicts that an apply was refused for, sorted, for the API server gives them
// in any order; none for any other error.
func conflictsIn(err error) []conflict {
	var status apierrors.APIStatus
	if !apierrors.IsConflict(err) || !errors.As(err, &status) || status.Status().Details == nil {
		return nil
	}
	var found []conflict
	for _, cause := range status.Status().Details.Causes {
		if cause.Type != metav1.CauseTypeFieldManagerConflict {
			continue
		}
		// conflict with "kubectl-edit" using apps/v1 at 2026-11-20T12:00:00Z
		_, rest, _ := strings.Cut(cause.Message, `"`)
		manager, _, _ := strings.Cut(rest, `"`)
		found = append(found, conflict{manager, cause.Field})
	}
	slices.SortFunc(found, func(a, b conflict) int {
		return cmp.Or(cmp.Compare(a.manager, b.manager), cmp.Compare(a.field, b.field))
	})
	return found
}

// byHand says whether a field belongs to somebody who used kubectl, whose edits are what we are
// here to undo, or to nobody. What a controller or another deployment tool owns is a conflict.
func (c conflict) byHand() bool {
	return strings.HasPrefix(c.manager, "kubectl") || c.manager == "before-first-apply"
}

// mayTake says whether all the fields are ours to take.
func (s *Sync) mayTake(conflicts []conflict) bool {
	return !slices.ContainsFunc(conflicts, func(c conflict) bool {
		return !s.ForceAll && !c.byHand() && !slices.Contains(s.Force, c.manager)
	})
}

// describeConflicts names each manager with its fields.
func describeConflicts(conflicts []conflict) string {
	var parts []string
	for _, d := range driftOf(conflicts) {
		parts = append(parts, strings.Join(d.Fields, ", ")+" of "+d.Manager)
	}
	return strings.Join(parts, "; ")
}

// conflictHint says how to get out of a conflict.
func conflictHint(conflicts []conflict) string {
	others := slices.DeleteFunc(slices.Clone(conflicts), conflict.byHand)
	if len(others) == 0 {
		others = conflicts
	}
	return "take the fields out of the manifest, or stop the other manager from setting them; --force-conflicts " +
		others[0].manager + " takes them from it"
}
