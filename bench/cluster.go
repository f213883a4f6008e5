package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sluice-gitops/sluice/internal/testkit/kubetest"
)

// clusterTrip is how far away the far API server is.
const clusterTrip = 20 * time.Millisecond

// cluster is a control plane, which is a process of its own.
type cluster struct {
	*kubetest.Cluster
	// near and far are kubeconfigs, far through a line of [clusterTrip].
	near, far string
}

func startCluster(ctx context.Context, dir string) (*cluster, error) {
	started, err := kubetest.Start(ctx, kubetest.Options{Log: os.Stderr, Without: []string{"scheduler", "node"}})
	if err != nil {
		return nil, err
	}
	c := &cluster{Cluster: started, near: filepath.Join(dir, "near.kubeconfig"), far: filepath.Join(dir, "far.kubeconfig")}
	err = c.WriteKubeconfig(c.near, "default")
	if err = errors.Join(err, c.writeFar(), c.edit(ctx)); err != nil {
		return nil, errors.Join(err, started.Stop())
	}
	return c, nil
}

func (c *cluster) writeFar() error {
	text, err := os.ReadFile(c.near)
	if err != nil {
		return err
	}
	_, rest, _ := strings.Cut(string(text), `"server": "`)
	address, _, found := strings.Cut(rest, `"`)
	server, err := url.Parse(address)
	if err != nil || !found {
		return fmt.Errorf("no server in %s: %w", c.near, err)
	}
	far, err := longLine(server.Host, clusterTrip)
	if err != nil {
		return err
	}
	return os.WriteFile(c.far, []byte(strings.ReplaceAll(string(text), server.Host, far)), 0o600)
}

// editing is an admission policy that writes over a value, whatever a client wants it to be.
const editing = `
metadata: {name: edit}
spec:
  failurePolicy: Fail
  reinvocationPolicy: Never
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [configmaps]}]
  matchConditions: [{name: edited, expression: "has(object.data) && 'edited' in object.data"}]
  mutations:
  - patchType: JSONPatch
    jsonPatch: {expression: '[JSONPatch{op: "replace", path: "/data/edited", value: "by admission"}]'}
`

// edit has admission edit objects, and returns when it does.
func (c *cluster) edit(ctx context.Context) error {
	const api = "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolic"
	if _, err := c.Do(ctx, "POST", api+"ies", editing); err != nil {
		return err
	}
	if _, err := c.Do(ctx, "POST", api+"ybindings", "metadata: {name: edit}\nspec: {policyName: edit}\n"); err != nil {
		return err
	}
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		probe, err := c.Do(ctx, "POST", "/api/v1/namespaces/default/configmaps?dryRun=All", "metadata: {name: probe}\ndata: {edited: by nobody}")
		if err == nil && probe.At("data", "edited") == "by admission" {
			return nil
		}
	}
	return errors.New("the admission policy does not come to be in force")
}

// settle waits until the controllers have seen every Deployment: what they do costs what is measured
// next.
func (c *cluster) settle(ctx context.Context) error {
	for deadline := time.Now().Add(5 * time.Minute); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		list, err := c.Do(ctx, "GET", "/apis/apps/v1/deployments", "")
		if err != nil {
			return err
		}
		items, _ := list.At("items").([]any)
		if !slices.ContainsFunc(items, func(item any) bool {
			o, _ := item.(map[string]any)
			d := kubetest.Object(o)
			return d.At("status", "observedGeneration") != d.At("metadata", "generation")
		}) {
			return nil
		}
	}
	return errors.New("the controllers do not come to rest")
}

// counts are the requests since a mark that come from none of the control plane's own.
func (c *cluster) counts(ctx context.Context, mark kubetest.Mark) (counts, error) {
	requests, err := c.Since(ctx, mark, "")
	requests = slices.DeleteFunc(requests, func(r kubetest.Request) bool {
		return strings.HasPrefix(r.Agent, "kube") && !strings.HasPrefix(r.Agent, "kubectl")
	})
	return counts{All: len(requests), Writes: len(kubetest.Writes(requests))}, err
}
