package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/sluice-gitops/sluice/internal/testkit/gitserver"
)

// releases are n releases of one chart; a set of them lies in a namespace of its own.
type releases struct {
	s *site
	n int
}

// releaser is one way to bring releases about in a namespace.
type releaser struct {
	name    string
	ours    bool
	atMost  float64
	command func(r releases, namespace string) []string
}

var helmReconcile = releaser{name: "helm-reconcile", ours: true, command: func(r releases, namespace string) []string {
	host := strings.TrimPrefix(r.s.server.Git, "http://")
	return []string{r.s.program("helm-reconcile"), "--prune", "--inventory", namespace, "--insecure-host", host, "--mirror", r.s.path("charts.mirror")}
}}

// helm upgrades so many at a time.
func helm(atATime int, atMost float64) releaser {
	return releaser{fmt.Sprintf("helm upgrade --install, %d at a time", atATime), false, atMost, func(r releases, namespace string) []string {
		return shell(fmt.Sprintf(`seq 0 %d | xargs -P %d -I{} helm upgrade --install app-{} %s --namespace %s --set index={} --set replicas=0`,
			r.n-1, atATime, r.s.path("charts/app"), namespace))
	}}
}

// chart puts the chart into a folder and into a repository.
func (r releases) chart() error {
	files := map[string]string{}
	for name, text := range chart {
		files["app/"+name] = text
		if _, err := r.s.write(filepath.Join("charts/app", name), text); err != nil {
			return err
		}
	}
	_, err := r.s.git.Create("charts.git", files)
	return err
}

// lay makes the namespace, and a commit that has all releases in it.
func (r releases) lay(ctx context.Context, namespace string) error {
	var b strings.Builder
	for i := range r.n {
		fmt.Fprintf(&b, release, i, namespace, i, r.s.server.Git, i)
	}
	files := map[string]string{"releases.yaml": b.String()}
	var err error
	if repo, missing := r.s.git.Repo("releases.git"); missing != nil {
		_, err = r.s.git.Create("releases.git", files)
	} else {
		_, err = repo.Commit(gitserver.Change{Files: files})
	}
	_, kubeErr := r.s.cluster.Do(ctx, "POST", "/api/v1/namespaces", "metadata: {name: "+namespace+"}")
	if err = errors.Join(err, kubeErr); err != nil {
		return err
	}
	return r.s.fetch(ctx, "releases.git", r.s.path("stream"))
}

// run makes a contender of a releaser; the namespace is what its set lies in.
func (r releases) run(p releaser, namespace func(round int) string) contender {
	c := contender{name: p.name, ours: p.ours, atMost: p.atMost, requests: -1, metadata: -1, writes: -1, cluster: true,
		env:     []string{"KUBECONFIG=" + r.s.cluster.near},
		command: func(round int) []string { return p.command(r, namespace(round)) }}
	if p.ours {
		c.stdin, c.peak = r.s.path("stream"), 150e6
	}
	return c
}

// layReleases is n releases that are not there yet: new ones in each round.
func layReleases(n, rounds int, releasers ...releaser) func(context.Context, *site) (job, error) {
	return func(ctx context.Context, s *site) (job, error) {
		r := releases{s, n}
		if err := errors.Join(s.startCluster(ctx), r.chart()); err != nil {
			return job{}, err
		}
		j := job{title: fmt.Sprintf("%d releases that are not there yet", n)}
		for i, p := range releasers {
			namespace := func(round int) string { return fmt.Sprintf("set-%d-%d", i, round) }
			c := r.run(p, namespace)
			c.rounds = rounds
			c.prepare = func(ctx context.Context, round int) error {
				return errors.Join(r.lay(ctx, namespace(round)), s.cluster.settle(ctx))
			}
			if p.ours {
				c.requests, c.check = 10*n+20, acted("installed", n)
			}
			j.contenders = append(j.contenders, c)
		}
		return j, nil
	}
}

// layQuietReleases is n releases that are there as they should be.
func layQuietReleases(n, rounds int, releasers ...releaser) func(context.Context, *site) (job, error) {
	return func(ctx context.Context, s *site) (job, error) {
		r := releases{s, n}
		if err := errors.Join(s.startCluster(ctx), r.chart()); err != nil {
			return job{}, err
		}
		j := job{title: fmt.Sprintf("%d releases that are as they should be", n)}
		for i, p := range releasers {
			namespace := fmt.Sprintf("set-%d", i)
			c := r.run(p, func(int) string { return namespace })
			if err := r.lay(ctx, namespace); err != nil {
				return j, err
			}
			if err := s.run(ctx, c, c.command(0), s.path("out")); err != nil {
				return j, err
			}
			if c.rounds = rounds; p.ours {
				if err := os.Rename(c.stdin, s.path(namespace+".stream")); err != nil {
					return j, err
				}
				c.stdin, c.rounds = s.path(namespace+".stream"), 0
				c.requests, c.writes, c.check = 15, 0, acted("unchanged", n)
			}
			j.contenders = append(j.contenders, c)
		}
		return j, s.cluster.settle(ctx)
	}
}

// release is a HelmRelease of the chart.
const release = `---
apiVersion: helm.fluxcd.io/v1
kind: HelmRelease
metadata:
  name: app-%d
  namespace: %s
spec:
  releaseName: app-%d
  chart: {git: "%s/charts.git", ref: main, path: app}
  values: {index: %d, replicas: 0}
`

// chart is one such as many have: five objects, helpers, and values.
var chart = map[string]string{
	"Chart.yaml": "apiVersion: v2\nname: app\nversion: 1.0.0\nappVersion: 1.0.0\n",
	"values.yaml": `replicas: 1
index: 0
image: {repository: ghcr.io/example/app, tag: 1.0.0}
resources: {requests: {cpu: 100m, memory: 64Mi}}
`,
	"templates/_helpers.tpl": `{{- define "app.labels" -}}
app.kubernetes.io/name: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}
`,
	"templates/serviceaccount.yaml": "apiVersion: v1\nkind: ServiceAccount" + chartMeta,
	"templates/config.yaml":         "apiVersion: v1\nkind: ConfigMap" + chartMeta + "data: {index: {{ .Values.index | quote }}}\n",
	"templates/service.yaml": "apiVersion: v1\nkind: Service" + chartMeta + `spec:
  selector: {app: {{ .Release.Name }}}
  ports: [{name: http, port: 80, targetPort: http}]
`,
	"templates/deployment.yaml": "apiVersion: apps/v1\nkind: Deployment" + chartMeta + `spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: {{ .Release.Name }}}}
  template:
    metadata:
      labels: {app: {{ .Release.Name }}}
    spec:
      serviceAccountName: {{ .Release.Name }}
      containers:
      - name: app
        image: {{ .Values.image.repository }}:{{ .Values.image.tag }}
        ports: [{name: http, containerPort: 8080}]
        readinessProbe: {httpGet: {path: /readyz, port: http}}
        resources: {{- toYaml .Values.resources | nindent 10 }}
`,
	"templates/ingress.yaml": "apiVersion: networking.k8s.io/v1\nkind: Ingress" + chartMeta + `spec:
  rules:
  - host: {{ .Release.Name }}.example.com
    http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: {{ .Release.Name }}, port: {name: http}}}}
`,
}

const chartMeta = `
metadata:
  name: {{ .Release.Name }}
  labels: {{- include "app.labels" . | nindent 4 }}
`
