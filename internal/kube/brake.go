package kube

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// PruneLimit is how much one run may delete without being asked to: a number of objects, or a share
// of what the inventory holds.
type PruneLimit struct {
	N       int
	Percent bool // N is a percentage
}

// The limit where none is given: a quarter of what the inventory holds, and at least ten.
const (
	defaultPercent = 25
	defaultAtLeast = 10
)

// ParsePruneLimit reads a number, or a percentage like 25%.
func ParsePruneLimit(text string) (PruneLimit, error) {
	number, percent := strings.CutSuffix(text, "%")
	n, err := strconv.ParseUint(number, 10, 31)
	if err != nil || percent && n > 100 {
		return PruneLimit{}, fmt.Errorf("a limit is a number of objects, or a percentage like 25%%, not %q", text)
	}
	return PruneLimit{int(n), percent}, nil
}

func (l PruneLimit) of(held int) int {
	if l.Percent {
		return held * l.N / 100
	}
	return l.N
}

// Brake keeps one run from deleting more than is likely to be meant, unless a person has confirmed the
// very plan: by its digest, with the run or before it (see [Inventory.Confirmed]).
type Brake struct {
	// Limit is nil for the default.
	Limit *PruneLimit
	// Confirm is the digest that was given with the run; empty for none.
	Confirm string
}

// Victim is one thing that is to be deleted.
type Victim struct {
	ID  ID
	UID string
}

// planDigest names a plan of deletions: the same victims of the same inventory, and no other.
func planDigest(owner Owner, victims []Victim) string {
	sorted := slices.SortedFunc(slices.Values(victims), func(a, b Victim) int { return cmp.Or(a.ID.compare(b.ID), cmp.Compare(a.UID, b.UID)) })
	sum := sha256.New()
	fmt.Fprintf(sum, "%q\n", owner.String())
	for _, v := range sorted {
		fmt.Fprintf(sum, "%q %q\n", v.ID.String(), v.UID)
	}
	return hex.EncodeToString(sum.Sum(nil)[:10])
}

var planDigestForm = regexp.MustCompile(`^[0-9a-f]{20}$`)

// CheckPlanDigest refuses what can be no digest of a plan.
func CheckPlanDigest(text string) error {
	if !planDigestForm.MatchString(text) {
		return fmt.Errorf("a plan's digest is 20 hexadecimal digits, as a run that was held back prints it, not %q", text)
	}
	return nil
}

// Check says whether the victims may be deleted: nil, or why not. Stored says that the plan was
// confirmed before the run; that is used up once they are gone.
func (b Brake) Check(inv *Inventory, owner Owner, victims []Victim) (stored bool, held *RefusedError) {
	if len(victims) == 0 {
		return false, nil
	}
	count, holds := len(victims), len(inv.Entries)
	limit := max(PruneLimit{defaultPercent, true}.of(holds), defaultAtLeast)
	if b.Limit != nil {
		limit = b.Limit.of(holds)
	}
	digest := planDigest(owner, victims)
	hint := fmt.Sprintf("if they are to go: --confirm-prune %s says so to this run, the command \"confirm %[1]s\" to the next", digest)
	stored = inv.Confirmed == digest
	switch {
	case b.Confirm != "" && b.Confirm != digest:
		return false, &RefusedError{Code: "prune-unconfirmed", Hint: hint,
			Message: fmt.Sprintf("nothing is deleted: the confirmed plan %s is another one; this one is %s, %d of %d in the inventory", b.Confirm, digest, count, holds)}
	case count <= limit, stored, b.Confirm != "":
		return stored, nil
	}
	message := fmt.Sprintf("nothing is deleted: %d of %d in the inventory are more than the limit of %d; the plan's digest is %s", count, holds, limit, digest)
	if inv.Confirmed != "" {
		message += "; the plan that was confirmed, " + inv.Confirmed + ", is another one"
	}
	return false, &RefusedError{Code: "prune-limit", Hint: hint, Message: message}
}

// brake holds the plan's deletions back where they are too many.
func (p *plan) brake(s *Sync) {
	var victims []Victim
	for _, r := range p.prunes {
		if r.result == nil {
			victims = append(victims, Victim{r.entry.ID, cmp.Or(r.entry.UID, r.live.UID)})
		}
	}
	p.usesUp, p.braked = s.Brake.Check(p.inventory, s.Store.Owner(), victims)
	if p.braked == nil {
		return
	}
	for _, r := range p.prunes {
		if r.result == nil {
			r.decide(Held, "held back: too much would be deleted at once")
		}
	}
}
