package main

import (
	"fmt"
	"reflect"

	"github.com/sluice-gitops/sluice/internal/gitrepo"
	"github.com/sluice-gitops/sluice/internal/jsonl"
	mf "github.com/sluice-gitops/sluice/internal/manifest"
)

// redo plans the edits of a plan anew where somebody else has pushed in between.
func (j *job) redo(snap *gitrepo.Snapshot, p plan) plan {
	byID := map[string]object{}
	for _, o := range j.news.objects {
		byID[o.ID] = o
	}
	var wishes []wish
	for _, before := range p.picks {
		if len(before.edits) == 0 {
			continue // done, or told of already
		}
		w, why := relocate(before, byID)
		if why != "" {
			before.refuse(gitrepo.CodeMoved, w.Line, fmt.Sprintf("not changed to %s: since %.12s somebody else %s", w.what(), j.source.Revision, why), "the next run decides anew")
			j.out.errors = append(j.out.errors, *before.err)
			continue
		}
		wishes = append(wishes, w)
	}
	return j.plan(snap, wishes)
}

// relocate finds what a wish is about in the objects of another commit. It says why not where the
// decision may no longer be the right one: the image or what decides about it has changed.
func relocate(before planned, byID map[string]object) (pick wish, why string) {
	pick = before.pick
	now, ok := byID[pick.ID]
	if !ok {
		return pick, "removed the object"
	}
	pick.Place = now.Place
	if pick.annotate != nil {
		return pick, "" // who asks for a policy asks for it whatever it was
	}
	was, is := before.object.decoded(), now.decoded()
	if !reflect.DeepEqual(mf.ReadPolicies(was), mf.ReadPolicies(is)) {
		return pick, "changed its policies"
	}
	container, known := find(mf.Images(is), pick.Container)
	if _, before := find(mf.Images(was), pick.Container); !known && before {
		return pick, "removed the container " + pick.Container
	}
	if !known {
		return pick, "" // a custom stage's image: its fields tell whether it still stands there
	}
	if container.Ref == pick.To {
		return pick, "" // somebody made the same change, which is noticed as done
	}
	if container.Ref != pick.From {
		return pick, "changed the image to " + container.Ref
	}
	pick.Fields = nil
	for _, f := range container.Fields {
		pick.Fields = append(pick.Fields, jsonl.Field{Role: jsonl.Role(f.Role), Path: f.Path, Value: f.Value})
	}
	return pick, ""
}

func find(containers []mf.Container, name string) (mf.Container, bool) {
	for _, c := range containers {
		if c.Name == name {
			return c, true
		}
	}
	return mf.Container{}, false
}
