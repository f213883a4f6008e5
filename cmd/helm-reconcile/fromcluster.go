package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/sluice-gitops/sluice/internal/helmrel"
	"github.com/sluice-gitops/sluice/internal/jsonl"
	"github.com/sluice-gitops/sluice/internal/kube"
	"github.com/sluice-gitops/sluice/internal/stage"
)

// clusterSource stands for the cluster where a source's name is asked for. No source of a stream can be
// called so.
const clusterSource = "@cluster"

// clusterOptions are the flags of a run that reads HelmReleases from the cluster.
type clusterOptions struct {
	fromCluster, crossNamespace bool
	namespaces                  []string // nil for all
}

var clusterFlags = []cli.Flag{
	&cli.BoolFlag{Name: "from-cluster", Usage: "read HelmReleases from the cluster, and no stream"},
	&cli.StringSliceFlag{Name: "allow-namespace", Usage: "with --from-cluster: read those of `NAMESPACE`; may be repeated; default all"},
	&cli.BoolFlag{Name: "allow-cross-namespace", Usage: "with --from-cluster: let a HelmRelease take values and logins of other namespaces"},
}

func fromCluster(c *cli.Context) bool { return c.Bool("from-cluster") }

func readClusterOptions(c *cli.Context) (clusterOptions, error) {
	o := clusterOptions{fromCluster: fromCluster(c), crossNamespace: c.Bool("allow-cross-namespace"), namespaces: c.StringSlice("allow-namespace")}
	if len(o.namespaces) == 0 {
		o.namespaces = nil
	}
	if slices.Contains(o.namespaces, "") {
		return o, stage.Usagef("--allow-namespace takes the name of a namespace, not nothing")
	}
	for _, name := range []string{"allow-namespace", "allow-cross-namespace"} {
		if c.IsSet(name) && !o.fromCluster {
			return o, stage.Usagef("--%s is about HelmReleases of the cluster; it needs --from-cluster", name)
		}
	}
	for _, name := range []string{"assume-whole", "allow-fewer", "replay", "default-namespace"} {
		if c.IsSet(name) && o.fromCluster {
			return o, stage.Usagef("--%s is about a stream, and --from-cluster reads none", name)
		}
	}
	return o, nil
}

// takeCluster reads the HelmReleases of the cluster. One that is being deleted is gone.
func (in *input) takeCluster(ctx context.Context, cluster *helmrel.Cluster, o *options) error {
	objects, err := cluster.HelmReleases(ctx, o.namespaces)
	if err != nil {
		return err
	}
	in.objects = []helmrel.Object{}
	for _, object := range objects {
		if object.Deleting {
			continue
		}
		w, err := clusterWish(object)
		if err != nil {
			return err
		}
		w.parse(in.s)
		if w.parsed != nil && !o.crossNamespace {
			w.confine()
		}
		in.releases = append(in.releases, w)
		in.objects = append(in.objects, object)
	}
	if len(in.releases) == 0 && o.Brake.Limit == nil {
		// whoever deletes the definition of HelmReleases deletes them all, and hardly means their releases
		o.Brake.Limit = &kube.PruneLimit{N: 1}
	}
	return nil
}

func clusterWish(o helmrel.Object) (wish, error) {
	group, _, _ := strings.Cut(o.APIVersion, "/")
	id := jsonl.ID{Group: group, Kind: helmrel.Kind, Namespace: o.ID.Namespace, Name: o.ID.Name}
	w := wish{place: jsonl.Place{Source: clusterSource}, label: id.String(), api: o.APIVersion, id: id}
	// the items of a list may come without what they are
	var object map[string]json.RawMessage
	if err := json.Unmarshal(o.JSON, &object); err != nil {
		return w, fmt.Errorf("reading %s: %w", w.label, err)
	}
	object["apiVersion"], object["kind"] = json.RawMessage(`"`+o.APIVersion+`"`), json.RawMessage(`"`+helmrel.Kind+`"`)
	text, err := json.Marshal(object)
	w.object = text
	return w, err
}

// confine refuses what whoever may write HelmReleases in one namespace could read of another.
func (r *wish) confine() {
	if fields := r.parsed.Elsewhere(); len(fields) > 0 {
		r.parsed = nil
		r.fault = &helmrel.Fault{Code: "cross-namespace", Hint: "--allow-cross-namespace allows it to all HelmReleases",
			Err: errors.New(strings.Join(fields, ", ") + ": refused: it refers to another namespace")}
	}
}
