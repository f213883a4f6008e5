package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/urfave/cli/v2"

	"github.com/sluice-gitops/sluice/internal/jsonl"
	"github.com/sluice-gitops/sluice/internal/manifest"
	"github.com/sluice-gitops/sluice/internal/pullsecret"
	"github.com/sluice-gitops/sluice/internal/registry"
	"github.com/sluice-gitops/sluice/internal/stage"
)

// podOf says what decides which secrets a container's image is pulled with. A HelmRelease does not
// show its pods: they are taken for those of the default service account of the namespace that it
// installs into.
func podOf(object map[string]any, c manifest.Container) pullsecret.Pod {
	metadata, _ := object["metadata"].(map[string]any)
	spec, _ := object["spec"].(map[string]any)
	var pod pullsecret.Pod
	pod.Namespace, _ = metadata["namespace"].(string)
	if object["kind"] == "HelmRelease" {
		target, _ := spec["targetNamespace"].(string)
		pod.Namespace = cmp.Or(target, pod.Namespace)
		return pod
	}
	if len(c.Fields) == 0 {
		return pod
	}
	at := any(object)
	path := c.Fields[0].Path // …, containers, index, image
	for _, key := range path[:len(path)-3] {
		m, _ := at.(map[string]any)
		at = m[fmt.Sprint(key)]
	}
	of, _ := at.(map[string]any)
	pod.ServiceAccount, _ = of["serviceAccountName"].(string)
	if old, _ := of["serviceAccount"].(string); pod.ServiceAccount == "" {
		pod.ServiceAccount = old
	}
	list, _ := of["imagePullSecrets"].([]any)
	for _, item := range list {
		m, _ := item.(map[string]any)
		if name, _ := m["name"].(string); name != "" {
			pod.Secrets = append(pod.Secrets, name)
		}
	}
	return pod
}

// openCluster finds the cluster of --pull-secrets; nil without the flag.
func openCluster(c *cli.Context) (*pullsecret.Reader, error) {
	if !c.Bool("pull-secrets") {
		return nil, nil
	}
	reader, err := pullsecret.Open(pullsecret.Target{Kubeconfig: c.String("kubeconfig"), Context: c.String("context"), Limit: c.Duration("request-timeout")}, "scan-tags")
	if err != nil {
		err = stage.WithHint(err, "--pull-secrets reads from the cluster that kubectl would take; name another by --kubeconfig or --context")
	}
	return reader, err
}

// pods are the distinct ones among those of the images that are scanned.
type pods struct {
	order []*podLogins
	byKey map[string]*podLogins
}

// podLogins are the credentials of one kind of pod.
type podLogins struct {
	pod      pullsecret.Pod
	logins   registry.Credentials
	problems []error
}

func (p *pods) of(pod pullsecret.Pod) *podLogins {
	key := strings.Join(append([]string{pod.Namespace, pod.ServiceAccount}, pod.Secrets...), "\x00")
	known := p.byKey[key]
	if known == nil {
		known = &podLogins{pod: pod}
		p.byKey[key] = known
		p.order = append(p.order, known)
	}
	return known
}

// useSecrets gives each image that is scanned the login of its workload. What cannot be read is a
// warning, and the scan goes on without it.
func useSecrets(ctx context.Context, s *stage.IO, reader *pullsecret.Reader, images []*image) {
	all := pods{byKey: map[string]*podLogins{}}
	for _, i := range images {
		if i.scanned {
			all.of(i.pod)
		}
	}
	var wg sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for _, p := range all.order {
		slots <- struct{}{}
		wg.Go(func() {
			p.read(ctx, reader)
			<-slots
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return // what failed then, failed for this
	}
	for _, i := range images {
		if i.scanned {
			i.login = all.of(i.pod).logins.For(i.ref)
		}
	}
	sayProblems(s, all.order)
}

// read merges the secrets: later ones count before earlier ones.
func (p *podLogins) read(ctx context.Context, reader *pullsecret.Reader) {
	configs, problems := reader.Configs(ctx, p.pod)
	for _, problem := range problems {
		p.problems = append(p.problems, problem)
	}
	for _, config := range configs {
		credentials, err := registry.ParsePullSecret(config.JSON)
		if err != nil {
			p.problems = append(p.problems, fmt.Errorf("reading secret %s: %w", config.Secret, err))
			continue
		}
		p.logins.Override(credentials)
	}
}

// sayProblems says each once, and missing rights once for a namespace.
func sayProblems(s *stage.IO, all []*podLogins) {
	said := map[string]bool{}
	for _, p := range all {
		for _, problem := range p.problems {
			text := problem.Error()
			var e *pullsecret.Error
			if errors.As(problem, &e) {
				switch {
				case e.Unreachable():
					text = e.Err.Error()
				case e.Forbidden():
					text = fmt.Sprintf("pull secrets in namespace %s may not be read: that takes get on serviceaccounts and secrets there", e.Namespace)
				}
			}
			if said[text] {
				continue
			}
			said[text] = true
			if e != nil && e.Unreachable() {
				s.Fail(jsonl.Error{Code: "unreachable", Message: "reading pull secrets: " + text, Hint: "the scan goes on without them; is the cluster up, and --kubeconfig the right one?"})
				continue
			}
			s.Warn("%s", text)
		}
	}
}
