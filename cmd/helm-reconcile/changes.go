package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/sluice-gitops/sluice/internal/helmrel"
	"github.com/sluice-gitops/sluice/internal/stage"
)

// changes are the flags about what may be changed, and how it is shown.
type changes struct {
	crds  helmrel.CRDPolicy
	drift helmrel.DriftMode
	diffs bool
}

var changeFlags = []cli.Flag{
	&cli.StringFlag{Name: "crds", Value: "create", Usage: "at an install or upgrade `create` the definitions of a chart's crds folder that are missing, replace those there are too, or skip them"},
	&cli.StringFlag{Name: "drift", Value: "off", Usage: "look whether the objects of releases that are as wanted still are: `off`, detect, or correct, which brings them back without a new revision"},
	&cli.BoolFlag{Name: "log-diffs", Usage: "show on standard error what changes of each object, compared with the deployed revision; without the values of Secrets"},
}

func readChanges(c *cli.Context) (ch changes, err error) {
	if ch.crds, err = helmrel.ParseCRDPolicy(c.String("crds")); err != nil {
		return ch, stage.Usage(fmt.Errorf("--crds: %w", err))
	}
	if ch.drift, err = helmrel.ParseDriftMode(c.String("drift")); err != nil {
		return ch, stage.Usage(fmt.Errorf("--drift: %w", err))
	}
	ch.diffs = c.Bool("log-diffs")
	return ch, nil
}

// apply tells a run.
func (ch changes) apply(r *helmrel.Run) {
	r.CRDs, r.Drift, r.Diff = ch.crds, ch.drift, ch.diffs
}
