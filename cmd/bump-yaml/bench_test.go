package main

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/sluice-gitops/sluice/internal/testkit/gitserver"
)

// Five hundred updates in a repository of five thousand manifests: edit, commit, push over http.
func BenchmarkFiveHundredOfFiveThousand(b *testing.B) {
	server := gitserver.Start(b)
	files := map[string]string{}
	for i := range 5000 {
		files[fmt.Sprintf("apps/%02d/app-%04d.yaml", i%100, i)] = fmt.Sprintf(`# Application %d
apiVersion: apps/v1
kind: Deployment
metadata:
  name: app-%d
  namespace: ns-%d
  labels: {app: app-%d}
spec:
  replicas: 2
  selector:
    matchLabels:
      app: app-%d
  template:
    metadata:
      labels:
        app: app-%d
    spec:
      containers:
      - name: app
        image: registry.example/app-%d:0 # automated
        ports:
        - containerPort: 8080
`, i, i, i%20, i, i, i, i)
	}
	server.MustCreate("big.git", files)
	mirror := filepath.Join(b.TempDir(), "mirror")
	for n := 1; b.Loop(); n++ {
		b.StopTimer()
		in := fiveHundred(b, server, mirror, n)
		b.StartTimer()
		r := execute(b, context.Background(), in)
		if r.code != 0 || len(r.commit.Edits) != 500 {
			b.Fatalf("exit %d\n%s", r.code, r.err)
		}
	}
}

func fiveHundred(b *testing.B, server *gitserver.Fixture, mirror string, n int) []byte {
	images := map[string]string{}
	for i := 0; i < 5000; i += 10 {
		images[fmt.Sprintf("Deployment.apps/ns-%d/app-%d", i%20, i)] = fmt.Sprintf("registry.example/app-%d:%d", i, n)
	}
	return streamWith(b, server.Server, mirror, "big", images)
}
