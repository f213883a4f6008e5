package kube

import (
	"fmt"
	"slices"
	"strings"
)

// plan is what a run has decided to do.
type plan struct {
	inventory *Inventory
	kinds     *Kinds
	items     []*item                // in the order of Sync.Objects
	wanted    map[ID]*item           // by settled identity
	prunes    []*removal             // in the order of deletion
	forget    []*Entry               // entries whose object is gone, or is no longer the one we made
	states    map[string]SourceState // sources whose state changes
	braked    *RefusedError          // why its deletions are held back
	usesUp    bool                   // it deletes what the inventory's Confirmed allows
	crds      map[GroupKind]*item    // CRDs among the items, by the kind they define
}

// item is one wanted object on its way.
type item struct {
	*Object
	index    int
	id       ID // with its namespace settled
	resource *Resource
	stage    int
	body     []byte
	digest   string
	live     *live
	entry    *Entry // of the inventory, before the run
	apply    bool   // it has to be sent
	late     bool   // its kind comes with a CRD of this run

	encounter

	done *Result
}

// removal is one entry whose object nobody wants any more.
type removal struct {
	entry    *Entry
	resource *Resource
	live     *live
	stage    int
	result   *Result // decided without a DELETE
}

// newPlan settles what each object is, before the cluster is looked at.
func (s *Sync) newPlan(kinds *Kinds, inv *Inventory) *plan {
	p := &plan{inventory: inv, kinds: kinds, wanted: map[ID]*item{}, states: map[string]SourceState{}, crds: map[GroupKind]*item{}}
	for i, object := range s.Objects {
		it := &item{Object: object, index: i, id: object.ID}
		p.items = append(p.items, it)
		if kind, ok := object.definedKind(); ok {
			p.crds[kind] = it
		}
	}
	for _, it := range p.items {
		p.settle(s, it)
	}
	for _, it := range p.items {
		p.claim(s, it)
	}
	return p
}

// settle finds the item's resource, and by it its namespace and stage.
func (p *plan) settle(s *Sync, it *item) {
	kind := it.ID.GroupKind()
	if slices.Contains(s.Skip, kind) {
		it.finish(Skipped, "its kind is skipped", nil)
		return
	}
	namespaced := true
	it.resource = p.kinds.Find(kind, it.Version)
	crd := p.crds[kind]
	known := it.resource
	if known == nil {
		known = p.kinds.Find(kind, "") // another version will tell the scope
	}
	switch {
	case known != nil:
		namespaced = known.Namespaced
	case crd != nil:
		namespaced = crd.definesNamespaced()
	}
	it.id.Namespace = p.namespaceFor(s, it, namespaced)
	it.stage = stageOf(kind, namespaced)
	switch {
	case !s.allows(it.id):
		it.finish(Failed, "", s.outOfScope(it.id))
	case it.resource != nil:
	case crd != nil && crd.definesVersion(it.Version):
		it.late = true
	default:
		// Its identity is settled all the same, so that it is not pruned.
		it.finish(Failed, "", p.unknownKind(it))
	}
}

func (p *plan) namespaceFor(s *Sync, it *item, namespaced bool) string {
	switch {
	case !namespaced:
		return ""
	case it.ID.Namespace != "":
		return it.ID.Namespace
	case s.DefaultNamespace != "":
		return s.DefaultNamespace
	}
	return "default"
}

func (p *plan) unknownKind(it *item) error {
	kind := it.ID.GroupKind()
	version := apiVersion(it.ID.Group, it.Version)
	if crd := p.crds[kind]; crd != nil {
		return &Error{Code: "unknown-kind", Hint: "write the object at a version that " + crd.ID.String() + " in this stream serves",
			Err: fmt.Errorf("apply failed: there will be no %s of %s", it.ID.Kind, version)}
	}
	if served := p.kinds.Versions(kind); len(served) > 0 {
		return &Error{Code: "unknown-kind", Hint: "the cluster serves " + it.ID.Kind + " as " + strings.Join(served, ", "),
			Err: fmt.Errorf("apply failed: the cluster has no %s of %s", it.ID.Kind, version)}
	}
	return &Error{Code: "unknown-kind", Hint: "apply its CustomResourceDefinition first, in this stream or before it; --skip " + kind.String() + " leaves such objects out",
		Err: fmt.Errorf("apply failed: the cluster has no kind %s of %s", it.ID.Kind, version)}
}

// claim makes sure that an object is wanted once, and encodes it.
func (p *plan) claim(s *Sync, it *item) {
	if other := p.wanted[it.id]; other != nil {
		for _, one := range []*item{it, other} {
			if one.done == nil || one.done.Action != Skipped {
				one.finish(Failed, "", &Error{Code: "duplicate", Hint: "an object belongs into one place of one source",
					Err: fmt.Errorf("apply failed: the object is there twice, in %s", both(it.Source, other.Source))})
			}
		}
		return
	}
	p.wanted[it.id] = it
	it.entry = p.inventory.Entries[it.id]
	if it.done != nil {
		return
	}
	if ignoring(it.annotation) == ignoreAll {
		it.finish(Skipped, "its annotation says ignore", nil)
		return
	}
	body, err := it.encode(it.id.Namespace, s.Store.Owner())
	if err != nil {
		it.finish(Failed, "", fmt.Errorf("apply failed: %w", err))
		return
	}
	it.body, it.digest = body, digest(body)
}

func both(a, b string) string {
	if a == b {
		return "source " + a
	}
	return "sources " + b + " and " + a
}

func (it *item) finish(action Action, message string, err error) {
	it.done = &Result{Index: it.index, ID: it.id, Source: it.Source, Action: action, Message: message, Drift: it.drift, Change: it.change, Err: err}
}

// toLookAt are the objects whose state decides: those wanted, and those that may be pruned.
func (p *plan) toLookAt(s *Sync) map[*Resource][]ID {
	wanted := map[*Resource][]ID{}
	for id, it := range p.wanted {
		if it.resource != nil && it.done == nil && it.resource.canList() {
			// One list serves all versions of a kind.
			r := p.kinds.Find(id.GroupKind(), "")
			wanted[r] = append(wanted[r], id)
		}
	}
	p.prunes = p.unwanted(s)
	for _, r := range p.prunes {
		if r.result == nil {
			wanted[r.resource] = append(wanted[r.resource], r.entry.ID)
		}
	}
	return wanted
}

// decideItems compares what is wanted with what was found.
func (p *plan) decideItems(s *Sync, seen *snapshot) {
	for _, it := range p.items {
		if it.done == nil {
			it.live = seen.objects[it.id]
			p.decideItem(s, it)
		}
	}
}

// decideRest decides what is to go, and what is noted of the sources.
func (p *plan) decideRest(s *Sync, seen *snapshot) {
	p.decidePrunes(s, seen)
	p.postponePrunes()
	p.keepOccupied(s)
	p.brake(s)
	for _, source := range s.Sources {
		p.decideState(source)
	}
}

func (p *plan) decideItem(s *Sync, it *item) {
	e, l := it.entry, it.live
	switch {
	case e != nil && e.Source != it.Source && !p.released(s, e.Source):
		it.finish(Failed, "", &Error{Code: "held-elsewhere", Hint: "take it out of that source first; it moves when both sources are in one whole stream",
			Err: fmt.Errorf("apply failed: source %s holds the object", e.Source)})
	case l != nil && l.Ignore == ignoreAll:
		it.finish(Skipped, "the live object's annotation says ignore", nil)
	case l != nil && l.Owner != "" && l.Owner != s.Store.Owner().String():
		it.finish(Failed, "", &Error{Code: "held-elsewhere", Hint: "take it out of that inventory first; where that is no more, take the annotation " + OwnerAnnotation + " off the object",
			Err: fmt.Errorf("apply failed: inventory %s holds the object", l.Owner)})
	case l != nil && l.Deleting:
		it.finish(Failed, "", &Error{Code: "terminating", Hint: "the next run makes it anew",
			Err: fmt.Errorf("apply failed: the object is being deleted%s", finalizers(l))})
	case l != nil && e != nil && e.UID == l.UID && e.Applied == it.digest && e.Fields == l.Fields:
		it.finish(Unchanged, "", nil)
	default:
		it.apply = true
		it.remember()
		return
	}
	if l != nil && !s.Verify {
		l.managed = nil
	}
}

// released says whether a source has let go of what it no longer wants: it is here and whole,
// or it was dropped.
func (p *plan) released(s *Sync, source string) bool {
	return slices.Contains(s.Dropped, source) || slices.ContainsFunc(s.Sources, func(other Source) bool {
		return other.Name == source && other.Whole
	})
}

func finalizers(l *live) string {
	if len(l.Finalizers) == 0 {
		return ""
	}
	return ", held by " + strings.Join(l.Finalizers, ", ")
}

// decideState notes a source's state where it says something new. That a quiet run came later
// than the one before is not worth a write.
func (p *plan) decideState(source Source) {
	before := p.inventory.Sources[source.Name]
	next := before
	if source.State.Fetched.After(before.Fetched) {
		next.Fetched = source.State.Fetched
	}
	if source.Whole {
		fetched := next.Fetched
		next = source.State
		next.Fetched = fetched
	}
	if !next.sameInput(before) || next.Manifests != before.Manifests {
		p.states[source.Name] = next
	}
}

// quiet says that nothing is to be written.
func (p *plan) quiet() bool {
	for _, it := range p.items {
		if it.apply || p.moves(it) {
			return false
		}
	}
	for _, r := range p.prunes {
		if r.result == nil {
			return false
		}
	}
	return len(p.forget) == 0 && len(p.states) == 0
}

// moves says whether an object that is as wanted changes hands.
func (p *plan) moves(it *item) bool {
	return it.done != nil && it.done.Action == Unchanged && it.entry.Source != it.Source
}

// reportRest reports what was decided without a request.
func (p *plan) reportRest(s *Sync) {
	for _, it := range p.items {
		if it.done != nil {
			s.Report(*it.done)
		}
	}
	for _, r := range p.prunes {
		if r.result != nil {
			s.Report(*r.result)
		}
	}
}
