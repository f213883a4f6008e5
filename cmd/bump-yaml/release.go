package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/sluice-gitops/sluice/internal/imageref"
	"github.com/sluice-gitops/sluice/internal/jsonl"
	mf "github.com/sluice-gitops/sluice/internal/manifest"
	"github.com/sluice-gitops/sluice/internal/stage"
)

const releaseManual = `Reads a stream and changes the images of the workloads that are named, whatever their policies say:
to the tag of --image in every container whose image has that name, or, with --latest, to what
pick-tag chose for each. Other picks in the stream are left alone. The rest is as in bump-yaml: one
commit for each source, pushed, and replaced in the stream.

   git-fetch https://git.example/team/config.git | bump-yaml release --image registry.example/web:1.4.2 demo/deployment/web >/dev/null

   git-fetch https://git.example/team/config.git | scan-tags --all | pick-tag | bump-yaml release --latest demo/deployment/web >/dev/null

A workload is named namespace/kind/name or, as Flux did, namespace:kind/name. One that is locked is
left alone unless --force names it; one that is ignored always is. No registry is asked: with
--image nobody has looked whether there is such a tag.`

var releaseCommand = &stage.App{
	Name: "release", Usage: "change the images of workloads now, as fluxctl release did", ArgsUsage: "WORKLOAD...",
	Manual: releaseManual, Reads: true, Writes: true, Run: runRelease,
	Flags: append([]cli.Flag{
		&cli.StringFlag{Name: "image", Usage: "take the tag of `REF` where the image has its name"},
		&cli.BoolFlag{Name: "latest", Usage: "take what pick-tag chose, also where it left it because nobody asked for updates"},
		&cli.BoolFlag{Name: "all", Usage: "all workloads, in place of names"},
		&cli.BoolFlag{Name: "force", Usage: "also workloads that are locked"},
		&cli.StringFlag{Name: "message", Usage: "put `TEXT` first in the commit's message"},
	}, commitFlags()...),
}

// release is what bump-yaml release is asked for.
type release struct {
	image  imageref.Ref // the zero value for what pick-tag chose
	latest bool
	force  bool
	names  []string // none: all
}

func runRelease(ctx context.Context, s *stage.IO, c *cli.Context) error {
	r, err := readRelease(c)
	if err != nil {
		return err
	}
	what := "all latest"
	if !r.latest {
		what = r.image.String()
	}
	o, err := readOptions(s, c, after(c.String("message"), releaseMessage(what, len(r.names) == 0)))
	if err != nil {
		return err
	}
	return edit(ctx, s, o, func(in *stream) (asked, error) { return r.find(s, in) })
}

func readRelease(c *cli.Context) (r release, err error) {
	r = release{latest: c.Bool("latest"), force: c.Bool("force"), names: c.Args().Slice()}
	image := c.String("image")
	switch {
	case (image != "") == r.latest:
		return r, stage.WithHint(stage.Usagef("release takes either --image or --latest"), "such as bump-yaml release --image registry.example/team/web:1.2.3 prod/deployment/web")
	case r.force && c.Bool("all"):
		return r, stage.Usagef("--force is for workloads that are named, not for --all")
	}
	if err := namesOrAll(c, r.names); err != nil {
		return r, err
	}
	if r.latest {
		return r, nil
	}
	if r.image, err = imageref.Parse(image); err != nil {
		return r, stage.Usagef("--image: %w", err)
	}
	if r.image.Tag == "" {
		return r, stage.Usagef("--image: %s names no tag", image)
	}
	return r, nil
}

// namesOrAll wants workloads to be named, or all of them to be meant.
func namesOrAll(c *cli.Context, names []string) error {
	switch {
	case c.Bool("all") && len(names) > 0:
		return stage.Usagef("--all takes no names: %q", names[0])
	case !c.Bool("all") && len(names) == 0:
		return stage.WithHint(stage.Usagef("no workload is named"), "name workloads as namespace/kind/name, or give --all")
	case slices.Contains(names, ""):
		return stage.Usagef("the name of a workload is empty")
	}
	return nil
}

// releaseMessage is Flux's message for a release that a person asked for.
func releaseMessage(what string, all bool) messenger {
	return func(t told) (string, error) {
		to := "all"
		if !all {
			to = strings.Join(fluxIDs(t.Edits), ", ")
		}
		return "Release " + what + " to " + to + "\n", nil
	}
}

// fluxIDs are the workloads of edits as Flux spelt them, each once, sorted.
func fluxIDs(edits []jsonl.Edit) []string {
	var ids []string
	for _, e := range edits {
		ids = append(ids, parseID(e.ID).flux())
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// find makes the wishes of a release.
func (r release) find(s *stage.IO, in *stream) (asked, error) {
	workloads, err := in.choose(r.names)
	if err != nil {
		return asked{}, err
	}
	var a asked
	if r.latest {
		a.faults = in.faults
	}
	for _, w := range workloads {
		object := w.decoded()
		containers := mf.Images(object)
		if len(r.names) == 0 && len(containers) == 0 {
			continue
		}
		if why := r.barred(mf.ReadPolicies(object)); why != "" {
			if len(r.names) == 0 {
				s.Debugf("%s:%d: %s is %s", w.File, w.Line, w.ID, why)
				continue
			}
			a.fault(w, why, "is "+why, map[string]string{"locked": "--force releases it all the same; bump-yaml policy --unlock ends it"}[why])
			continue
		}
		if r.latest {
			r.chosen(s, in, w, &a)
		} else {
			r.named(s, w, containers, &a)
		}
	}
	return a, nil
}

// barred says what keeps a workload from being released.
func (r release) barred(p mf.Policies) string {
	switch {
	case p.Ignored:
		return "ignored"
	case p.Locked && !r.force:
		return "locked"
	}
	return ""
}

// named wishes for the image that was named.
func (r release) named(s *stage.IO, w manifest, containers []mf.Container, a *asked) {
	var others []string
	uses := false
	for _, c := range containers {
		current, err := imageref.Parse(c.Ref)
		if err != nil || !imageref.SameRepository(current, r.image) {
			others = append(others, c.Name+" "+c.Ref)
			continue
		}
		uses = true
		to := current.WithTag(r.image.Tag)
		to.Digest = r.image.Digest
		switch {
		case current.Digest != "" && to.Digest == "":
			a.fault(w, "pinned", fmt.Sprintf("%s is pinned to a digest, %s: a tag alone would undo that", c.Name, c.Ref), "name the digest too: --image NAME:TAG@sha256:…")
		case imageref.Equal(current, to):
			s.Debugf("%s:%d: %s: %s is at %s already", w.File, w.Line, w.ID, c.Name, to)
		default:
			a.wishes = append(a.wishes, wish{Pick: jsonl.Pick{Type: jsonl.TypePick, Place: w.Place, ID: w.ID, Container: c.Name,
				Fields: fieldsOf(c), From: c.Ref, To: to.String(), Changed: true}})
		}
	}
	if !uses && len(r.names) > 0 {
		has := "it has no image"
		if len(others) > 0 {
			has = "it has " + strings.Join(others, ", ")
		}
		a.fault(w, "no-image", "has no image "+r.image.Name()+": "+has, "")
	}
}

func fieldsOf(c mf.Container) (fields []jsonl.Field) {
	for _, f := range c.Fields {
		fields = append(fields, jsonl.Field{Role: jsonl.Role(f.Role), Path: f.Path, Value: f.Value})
	}
	return fields
}

// chosen wishes for what pick-tag chose.
func (r release) chosen(s *stage.IO, in *stream, w manifest, a *asked) {
	found := false
	for _, pick := range in.picks {
		if pick.Source != w.Source || pick.File != w.File || pick.ID != w.ID || placeKey(pick.Place) != placeKey(w.Place) {
			continue
		}
		found = true
		switch {
		case pick.Changed:
		case pick.Available != "":
			pick.To = pick.Available
		default:
			s.Infof("%s:%d: %s: %s stays at %s: %s", w.File, w.Line, w.ID, pick.Container, pick.From, reasonOf(pick))
			continue
		}
		if pick.To != pick.From {
			pick.Changed = true
			a.wishes = append(a.wishes, wish{Pick: pick})
		}
	}
	if !found && len(r.names) > 0 {
		a.fault(w, "no-pick", "has no pick in the stream", "scan-tags --all | pick-tag in front of it makes one for every image")
	}
}

func reasonOf(pick jsonl.Pick) string {
	if pick.Message != "" {
		return string(pick.Reason) + ": " + pick.Message
	}
	return string(pick.Reason)
}

// fault notes what keeps a workload from what is asked for it.
func (a *asked) fault(w manifest, code, message, hint string) {
	a.faults = append(a.faults, jsonl.Error{Code: code, Message: message, Hint: hint, Source: w.Source, File: w.File, Line: w.Line, ID: w.ID})
}
