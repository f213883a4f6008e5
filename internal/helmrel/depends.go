package helmrel

import (
	"fmt"
	"slices"
	"strings"
)

// DependsOn is the annotation by which a HelmRelease waits for others: names, or namespace/name, with
// commas between them. It is worked on when each of them is as wanted, and blocked where one is not.
const DependsOn = "sluice.dev/depends-on"

// CodeDependency is the code of a release whose dependency is not as wanted.
const CodeDependency = "dependency"

// dependencies are those that a HelmRelease names.
func dependencies(h *HelmRelease) ([]ID, error) {
	text, ok := h.Metadata.Annotations[DependsOn]
	if !ok {
		return nil, nil
	}
	var all []ID
	for _, word := range strings.Split(text, ",") {
		namespace, name, both := strings.Cut(strings.TrimSpace(word), "/")
		if !both {
			namespace, name = h.Metadata.Namespace, namespace
		}
		if name == "" || namespace == "" || strings.Contains(name, "/") {
			return nil, &Fault{Code: "bad-object", Err: fmt.Errorf("annotation %s: %q is not a name, or namespace/name, of a HelmRelease", DependsOn, word)}
		}
		all = append(all, ID{namespace, name})
	}
	return all, nil
}

// arrange brings the items into an order in which each comes after what it depends on, and blocks what
// can be known to wait in vain.
func (p *plan) arrange() {
	for _, it := range p.items {
		it.done = make(chan struct{})
		if it.wanted.Release == nil || it.ignored {
			continue
		}
		ids, err := dependencies(it.wanted.Release)
		if err != nil && it.result == nil {
			it.fail(err)
		}
		for _, id := range ids {
			switch found := p.names[id]; {
			case len(found) > 0:
				it.needs = append(it.needs, found[0])
			case it.result == nil:
				it.waitsFor(id, "which is not in this stream", "put it into a source of the same stream, or take it out of the annotation "+DependsOn)
			}
		}
	}
	state := map[*item]int{} // 1: on the way, 2: arranged
	for _, it := range p.items {
		p.after(it, state, nil)
	}
}

// after puts an item behind its dependencies. path are the items that led to it.
func (p *plan) after(it *item, state map[*item]int, path []*item) {
	if state[it] == 1 {
		cycle := path[slices.Index(path, it):]
		for _, member := range cycle {
			if member.result == nil {
				member.fail(&Fault{Code: "dependency-cycle", Hint: "take one of them out of an annotation " + DependsOn,
					Err: fmt.Errorf("HelmReleases depend on one another: %s", chain(cycle))})
			}
		}
		return
	}
	if state[it] == 2 {
		return
	}
	state[it] = 1
	for _, need := range it.needs {
		p.after(need, state, append(slices.Clone(path), it))
	}
	state[it] = 2
	it.checkNeeds()
	p.order = append(p.order, it)
}

func chain(cycle []*item) string {
	var names []string
	for _, it := range cycle {
		names = append(names, it.wanted.ID.String())
	}
	return strings.Join(append(names, names[0]), " → ")
}

// checkNeeds blocks an item of which a dependency has come to a bad end.
func (it *item) checkNeeds() {
	for _, need := range it.needs {
		if it.result == nil && need.result != nil && need.result.Code != "" {
			it.waitsFor(need.wanted.ID, "which is "+string(need.result.Action), "see what is said of that")
		}
	}
}

func (it *item) waitsFor(id ID, why, hint string) {
	it.block(Decision{Code: CodeDependency, Revision: lastRevision(it.history), Hint: hint, Why: fmt.Sprintf("it depends on HelmRelease %s, %s", id, why)})
}

// await waits until the dependencies are done. It reports whether the item may be worked on: it is not
// where the run was stopped before one of them, or where one came to a bad end.
func (it *item) await() bool {
	for _, need := range it.needs {
		<-need.done
		if need.result == nil {
			return false
		}
	}
	it.checkNeeds()
	return it.result == nil
}
