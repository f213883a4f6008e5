package manifest_test

import (
	"strings"
	"testing"

	"github.com/sluice-gitops/sluice/internal/manifest"
)

const podSpec = `containers:
- name: web
  image: r/web:1 # c
- {name: side, image: 'r/side:1'}
- name: bare
initContainers:
- image: "r/init:1"
  name: init
ephemeralContainers:
- name: debug
  image: r/debug:1
`

const podImages = "web=r/web:1 side=r/side:1 init=r/init:1"

var workloadRows = []struct {
	row, name string
	departs   string // as in releaseRow
	version   string
	kind      string
	path      string // to the pod's spec, by dots
	meta      string // lines below metadata
	found     string
}{
	{row: "1.5/1", version: "apps/v1", kind: "Deployment", path: "spec.template.spec", found: podImages},
	{row: "1.5/1", version: "apps/v1", kind: "DaemonSet", path: "spec.template.spec", found: podImages},
	{row: "1.5/1", version: "apps/v1", kind: "StatefulSet", path: "spec.template.spec", found: podImages},
	{row: "1.5/1", name: "an old version", version: "extensions/v1beta1", kind: "Deployment", path: "spec.template.spec", found: podImages},
	{row: "1.5/1", name: "another group", version: "apps.kruise.io/v1beta1", kind: "StatefulSet", path: "spec.template.spec", found: podImages},
	{row: "1.5/1", name: "another shape", version: "apps/v1", kind: "Deployment", path: "spec.jobTemplate.spec.template.spec"},
	{row: "1.5/2", version: "batch/v1", kind: "CronJob", path: "spec.jobTemplate.spec.template.spec", found: podImages,
		departs: "Flux read it from the cluster as batch/v1beta1 only, which is gone; it is read from git, in any version"},
	{row: "1.5/2", name: "an old version", version: "batch/v1beta1", kind: "CronJob", path: "spec.jobTemplate.spec.template.spec", found: podImages},
	{row: "1.5/4", version: "batch/v1", kind: "Job", path: "spec.template.spec", found: podImages,
		departs: "Flux knew no Job; a Job in git with an annotation that asks for updates gets them, and one without does not"},
	{row: "1.5/4", version: "v1", kind: "Pod", path: "spec", found: podImages, departs: "as for Job"},
	{row: "1.5/4", version: "apps/v1", kind: "ReplicaSet", path: "spec.template.spec", found: podImages, departs: "as for Job"},
	{row: "1.5/4", version: "v1", kind: "ReplicationController", path: "spec.template.spec"},
	{row: "1.5/4", version: "v1", kind: "Service", path: "spec.template.spec"},
	{row: "1.5/4", version: "argoproj.io/v1alpha1", kind: "Rollout", path: "spec.template.spec", found: podImages,
		departs: "as for Job: what is defined by others and makes pods from a template counts, by its shape"},
	{row: "1.5/4", version: "apps.kruise.io/v1alpha1", kind: "CloneSet", path: "spec.template.spec", found: podImages, departs: "as for Rollout"},
	{row: "1.5/4", version: "serving.knative.dev/v1", kind: "Service", path: "spec.template.spec", found: podImages, departs: "as for Rollout"},
	{row: "1.5/5", name: "an add-on", version: "apps/v1", kind: "Deployment", path: "spec.template.spec", found: podImages,
		meta:    "namespace: kube-system\nlabels: {kubernetes.io/cluster-service: \"true\", addonmanager.kubernetes.io/mode: Reconcile}\n",
		departs: "Flux took add-ons out, which the cluster brings along; what stands in git with an annotation was put there by somebody who asks for updates"},
}

func TestWorkloadRows(t *testing.T) {
	for _, test := range workloadRows {
		t.Run(strings.TrimSpace(test.row+" "+test.kind+" "+test.name), func(t *testing.T) {
			before := workloadFile(test.version, test.kind, test.meta, test.path, podSpec)
			containers := manifest.Images(only(t, before))
			if got := describe(containers); got != test.found {
				t.Fatalf("found %q, want %q", got, test.found)
			}
			for i, c := range containers {
				to := strings.TrimSuffix(c.Ref, "1") + "v2"
				after, err := rewrite(t, before, c, to)
				want := workloadFile(test.version, test.kind, test.meta, test.path, strings.Replace(podSpec, c.Ref, to, 1))
				if err != nil || after != want {
					t.Fatalf("%v, got\n%s\nwant\n%s", err, after, want)
				}
				if again := manifest.Images(only(t, after)); again[i].Ref != to {
					t.Errorf("read back it is %s", describe(again))
				}
			}
		})
	}
}

// workloadFile is a file with an object whose pod's spec stands at a path.
func workloadFile(version, kind, meta, path, spec string) string {
	var b strings.Builder
	b.WriteString("apiVersion: " + version + "\nkind: " + kind + "\nmetadata:\n    name: app\n" + indented(meta))
	indent := ""
	for key := range strings.SplitSeq(path, ".") {
		b.WriteString(indent + key + ":\n")
		indent += "  "
	}
	for line := range strings.Lines(spec) {
		b.WriteString(indent + line)
	}
	return b.String()
}

func TestReleaseKinds(t *testing.T) {
	for _, test := range []struct{ row, version, departs, found string }{
		{row: "1.5/3", version: "helm.fluxcd.io/v1", found: "chart-image=r/a:1"},
		{row: "1.5/3", version: "flux.weave.works/v1beta1", found: "chart-image=r/a:1",
			departs: "Flux dropped the old version in 1.19; helm-reconcile reads it"},
		{row: "1.5/3", version: "helm.toolkit.fluxcd.io/v2",
			departs: "Flux did not look at the group; a HelmRelease of Flux 2 is another thing with a controller of its own"},
	} {
		t.Run(test.row+" "+test.version, func(t *testing.T) {
			file := "apiVersion: " + test.version + "\nkind: HelmRelease\nmetadata: {name: x}\nspec: {values: {image: \"r/a:1\"}}\n"
			if got := describe(manifest.Images(only(t, file))); got != test.found {
				t.Errorf("found %q, want %q", got, test.found)
			}
		})
	}
}

// The rows about rewriting, 2.4, that are about which document of a file changes.
func TestRewriteFindsItsObject(t *testing.T) {
	const file = `# two objects, a list and what is none
values: {image: r/a:1}
---
apiVersion: apps/v1
kind: DeploymentList
items:
- apiVersion: apps/v1
  kind: Deployment
  metadata: {name: app}
  spec: {template: {spec: {containers: [{name: a, image: "r/a:1"}]}}}
- apiVersion: apps/v1
  kind: Deployment
  metadata: {name: app, namespace: other}
  spec: {template: {spec: {containers: [{name: a, image: "r/a:1"}]}}}
`
	objects := all(t, file)
	if len(objects) != 2 {
		t.Fatalf("%d objects", len(objects))
	}
	c := manifest.Images(objects[1])[0]
	for i := range c.Fields {
		c.Fields[i].Path = append([]any{"items", 1}, c.Fields[i].Path...)
	}
	after, err := rewrite(t, file, c, "r/a:2")
	last := strings.LastIndex(file, "r/a:1")
	if want := file[:last] + "r/a:2" + file[last+len("r/a:1"):]; err != nil || after != want {
		t.Errorf("%v, got\n%s", err, after)
	}
}
