package kube

// note keeps a word about an entry, or forgets it where the value is empty.
func (e *Entry) note(key, value string) {
	if value == "" {
		delete(e.Extra, key)
		if len(e.Extra) == 0 {
			e.Extra = nil
		}
		return
	}
	if e.Extra == nil {
		e.Extra = map[string]string{}
	}
	e.Extra[key] = value
}

// counting gives a copy of the run that counts its results.
func (s *Sync) counting() *Sync {
	counted := *s
	counted.counts = map[string]int{}
	counted.Report = func(r Result) {
		counted.counts[string(r.Action)]++
		if r.Action == Failed {
			counted.failures = append(counted.failures, r)
		}
		s.Report(r)
	}
	return &counted
}

// mark notes a run that was carried out: that it was, where it changed something, and that the
// confirmation of its deletions is used up.
func (w *worker) mark() {
	inv, counts := w.plan.inventory, w.s.counts
	if w.plan.usesUp {
		inv.Confirmed = ""
	}
	if counts[string(Created)]+counts[string(Configured)]+counts[string(Pruned)] > 0 {
		inv.Last = &LastRun{Ended: w.s.Lease.Now().UTC(), Run: w.s.ID, Counts: counts}
	}
}
