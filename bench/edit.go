package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

// manifests are in the repository, edited are the ones of them whose image is updated.
const manifests, edited = 5000, 500

// layEdit is an update of 500 images in 5,000 manifests: edit, commit and push over http.
func layEdit(ctx context.Context, s *site) (job, error) {
	files := map[string]string{}
	var chosen []string
	for i := range manifests {
		name := fmt.Sprintf("team-%03d/web-%d.yaml", i/10, i%10)
		policy := ""
		if i%(manifests/edited) == 3 {
			policy = "semver:~1.0"
			chosen = append(chosen, name)
		}
		files[name] = workload(fmt.Sprintf("web-%d", i), s.server.Registry+"/demo/web:1.0.0", policy)
	}
	list, err := s.write("edited.txt", strings.Join(chosen, "\n")+"\n")
	if err != nil {
		return job{}, err
	}
	for _, name := range []string{"ours", "sed", "yq"} {
		if _, err := s.git.Create(name+".git", files); err != nil {
			return job{}, err
		}
	}
	if err := s.server.push(push{"demo/web", newYear, []string{"1.0.0"}}); err != nil {
		return job{}, err
	}
	image := s.server.Registry + `/demo/web:1.0.`
	const push = " && git commit -q -a -m 'Update images' && git push -q origin HEAD:main"
	sed := contender{name: "sed -i, git commit -a, git push", atMost: 1.5, command: func(round int) []string {
		return shell(fmt.Sprintf("xargs sed -i 's|%s%d$|%s%d|' <%s%s", image, round, image, round+1, list, push))
	}}
	yq := contender{name: "yq -i for each file, the same", atMost: 0.2, command: func(round int) []string {
		return shell(fmt.Sprintf(`while read f; do yq -i '.spec.template.spec.containers[0].image = "%s%d"' $f || exit 1; done <%s%s`, image, round+1, list, push))
	}}
	ours := contender{ours: true, name: "bump-yaml", peak: peakAllowed, command: func(int) []string { return []string{s.program("bump-yaml")} },
		stdin: filepath.Join(s.dir, "picks.jsonl"), prepare: s.pick, check: s.changed("ours", edited)}
	j := job{title: fmt.Sprintf("%d updates in %d manifests, commit and push", edited, manifests), contenders: []contender{ours}}
	for name, c := range map[string]*contender{"sed": &sed, "yq": &yq} {
		c.dir = filepath.Join(s.dir, name)
		c.requests, c.metadata = -1, -1
		for _, args := range [][]string{{"git", "clone", "-q", s.server.Git + "/" + name + ".git", c.dir}, {"git", "-C", c.dir, "config", "gc.auto", "0"}} {
			if err := s.run(ctx, contender{}, args, filepath.Join(s.dir, "out")); err != nil {
				return job{}, err
			}
		}
	}
	sed.check, yq.check = s.changed("sed", edited), s.changed("yq", -1)
	j.contenders = append(j.contenders, sed, yq)
	return j, nil
}

// pick makes the next version known and lets the stages before bump-yaml run.
func (s *site) pick(ctx context.Context, round int) error {
	if err := s.server.push(push{"demo/web", newYear, []string{fmt.Sprintf("1.0.%d", round+1)}}); err != nil {
		return err
	}
	file := func(name string) string { return filepath.Join(s.dir, name+".jsonl") }
	return errors.Join(
		s.stage(ctx, "", file("fetched"), s.program("git-fetch"), "--mirror", filepath.Join(s.dir, "mirror"), s.server.Git+"/ours.git"),
		s.stage(ctx, file("fetched"), file("scanned"), s.scan()...),
		s.stage(ctx, file("scanned"), file("picks"), s.program("pick-tag")),
	)
}

// changed counts the lines that the last commit added and removed, and checks them where want is
// not negative.
func (s *site) changed(name string, want int) func(int, string) (string, error) {
	return func(round int, _ string) (string, error) {
		repo, err := s.git.Repo(name + ".git")
		if err != nil {
			return "", err
		}
		if n, err := repo.Git("rev-list", "--count", "main"); err != nil || n != fmt.Sprint(round+2) {
			return "", fmt.Errorf("%s commits after %d rounds: %w", n, round+1, err)
		}
		out, err := repo.Git("diff", "--numstat", "main^", "main")
		if err != nil {
			return "", err
		}
		added, removed, files := 0, 0, 0
		for line := range strings.Lines(out + "\n") {
			var a, r int
			if _, err := fmt.Sscan(line, &a, &r); err != nil {
				return "", err
			}
			added, removed, files = added+a, removed+r, files+1
		}
		if want >= 0 && (added != want || removed != want || files != want) {
			return "", fmt.Errorf("%d lines added, %d removed in %d files, not %d", added, removed, files, want)
		}
		return fmt.Sprintf("%d lines changed", max(added, removed)), nil
	}
}

// workload is a manifest as people write it. Without a policy it is not automated.
func workload(name, image, policy string) string {
	annotations := ""
	if policy != "" {
		annotations = fmt.Sprintf("\n  annotations:\n    fluxcd.io/automated: \"true\"\n    fluxcd.io/tag.web: %s", policy)
	}
	return strings.NewReplacer("NAME", name, "IMAGE", image, "\n  ANNOTATIONS", annotations).Replace(`# The web server of one team. Ask them before you change its limits.
apiVersion: apps/v1
kind: Deployment
metadata:
  name: NAME
  namespace: demo
  ANNOTATIONS
  labels:
    app: web

spec:
  replicas: 2
  selector:
    matchLabels: {app: NAME}
  template:
    metadata:
      labels: {app: NAME}
    spec:
      containers:
        - name: web
          image: IMAGE
          args: ["--port", "8080"]   # behind the service
          ports:
            - containerPort: 8080

          resources:
            limits:
              memory: 64Mi
`)
}
