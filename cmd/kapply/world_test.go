package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-gitops/sluice/internal/testkit/kubetest"
)

// world is one namespace of the shared cluster, and kapply as a real process that works in it.
type world struct {
	*testing.T
	cluster    *kubetest.Cluster
	namespace  string
	kubeconfig string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, cluster: kubetest.Shared(t)}
	w.namespace = w.cluster.Namespace(t)
	w.kubeconfig = filepath.Join(t.TempDir(), "kubeconfig")
	if err := w.cluster.WriteKubeconfig(w.kubeconfig, w.namespace); err != nil {
		t.Fatal(err)
	}
	return w
}

// through puts a proxy between kapply and the API server.
func (w *world) through(handler kubetest.Handler) {
	w.kubeconfig = w.cluster.Through(w, w.namespace, handler)
}

// outcome is what a process left.
type outcome struct {
	code           int
	stdout, stderr string
}

// command prepares the real binary.
func (w *world) command(stream []byte, args ...string) *exec.Cmd {
	command := exec.CommandContext(w.Context(), "kapply", args...)
	command.Stdin = bytes.NewReader(stream)
	command.Env = append(os.Environ(), "KUBECONFIG="+w.kubeconfig)
	return command
}

func (w *world) run(stream []byte, args ...string) outcome {
	w.Helper()
	command := w.command(stream, args...)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		w.Fatal(err)
	}
	return outcome{command.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// mustRun fails the test unless the exit code is the one wanted.
func (w *world) mustRun(code int, stream []byte, args ...string) outcome {
	w.Helper()
	o := w.run(stream, args...)
	if o.code != code {
		w.Fatalf("kapply %s exits with %d, want %d\n%s", strings.Join(args, " "), o.code, code, o.stderr)
	}
	return o
}

// actions reads the apply records: identity, without this test's namespace, to action.
func (w *world) actions(o outcome) map[string]string {
	w.Helper()
	actions := map[string]string{}
	for line := range strings.Lines(o.stdout) {
		var record struct{ Type, ID, Action string }
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			w.Fatalf("%s: %v", line, err)
		}
		if record.Type == "apply" {
			actions[strings.ReplaceAll(record.ID, "/"+w.namespace+"/", "/")] = record.Action
		}
	}
	return actions
}

// requests are what kapply asked of the API server while f ran, as far as it was about this
// test's namespaces: other tests run at the same time.
func (w *world) requests(f func()) []kubetest.Request {
	w.Helper()
	return slices.DeleteFunc(w.cluster.Count(w, "sluice-kapply", f), func(r kubetest.Request) bool {
		return !strings.HasPrefix(r.Namespace, w.namespace) && !strings.HasPrefix(r.Name, w.namespace)
	})
}

// writes are the requests that could have changed something.
func (w *world) writes(f func()) []kubetest.Request {
	w.Helper()
	return kubetest.Writes(w.requests(f))
}

// deletes are the DELETE requests among them.
func deletes(requests []kubetest.Request) []kubetest.Request {
	var found []kubetest.Request
	for _, r := range requests {
		if r.Verb == "delete" || r.Verb == "deletecollection" {
			found = append(found, r)
		}
	}
	return found
}

func (w *world) path(resource, name string) string {
	return "/api/v1/namespaces/" + w.namespace + "/" + resource + "/" + name
}

// has says whether a ConfigMap is there and is not on its way out.
func (w *world) has(name string) bool {
	w.Helper()
	object := w.cluster.Must(w, "GET", w.path("configmaps", name), "")
	return object != nil && object.At("metadata", "deletionTimestamp") == nil
}

// inventory are the entries, each as kind and name.
func (w *world) inventory() []string {
	w.Helper()
	object := w.cluster.Must(w, "GET", w.path("configmaps", "sluice-kapply-default"), "")
	var names []string
	var group struct{ Kind string }
	entries, _ := object.At("data", "entries").(string)
	for line := range strings.Lines(entries) {
		var entry []string
		if json.Unmarshal([]byte(line), &group) == nil {
			continue
		}
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			w.Fatal(err)
		}
		names = append(names, group.Kind+"/"+entry[1])
	}
	return names
}

// holder is who holds the lease; empty for nobody.
func (w *world) holder() string {
	w.Helper()
	lease := w.cluster.Must(w, "GET", "/apis/coordination.k8s.io/v1/namespaces/"+w.namespace+"/leases/sluice-kapply-default", "")
	holder, _ := lease.At("spec", "holderIdentity").(string)
	return holder
}

// configMap is a document.
func configMap(name string, data ...string) string {
	text := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name + "}\ndata:\n"
	for i, value := range data {
		text += fmt.Sprintf("  key%d: %q\n", i, value)
	}
	return text
}

func configMaps(names ...string) []string {
	var all []string
	for _, name := range names {
		all = append(all, configMap(name, "value"))
	}
	return all
}
