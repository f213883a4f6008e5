package kubetest

import (
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestMain(m *testing.M) { os.Exit(Main(m)) }

func TestDeploymentBecomesAvailable(t *testing.T) {
	c := Shared(t)
	namespace := c.Namespace(t)
	path := "/apis/apps/v1/namespaces/" + namespace + "/deployments"
	deployment := func(name, annotations string) {
		c.Must(t, "POST", path, `
metadata: {name: `+name+`}
spec:
  replicas: 2
  selector: {matchLabels: {app: `+name+`}}
  template:
    metadata: {labels: {app: `+name+`}, annotations: {`+annotations+`}}
    spec: {containers: [{name: main, image: example.com/app}]}
`)
	}
	deployment("well", "")
	deployment("ill", "kubebox/fails: no such image")
	eventually(t, "the deployment is available", func() bool {
		return c.Must(t, "GET", path+"/well", "").At("status", "availableReplicas") == float64(2)
	})
	pods := "/api/v1/namespaces/" + namespace + "/pods?labelSelector=app%3Dill"
	eventually(t, "the ill pods say why", func() bool {
		_, text, err := c.client.do(t.Context(), "GET", pods, "", "kubetest", nil)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(text), "no such image") >= 4 // annotation and state of two pods
	})
	if ready := c.Must(t, "GET", path+"/ill", "").At("status", "availableReplicas"); ready != nil {
		t.Errorf("%v replicas of the ill deployment are available", ready)
	}
}

func TestJobSucceedsAndPodsGo(t *testing.T) {
	c := Shared(t)
	path := "/apis/batch/v1/namespaces/" + c.Namespace(t) + "/jobs"
	c.Must(t, "POST", path, `
metadata: {name: once}
spec:
  template:
    spec: {restartPolicy: Never, containers: [{name: main, image: example.com/app}]}
`)
	eventually(t, "the job is done", func() bool {
		return c.Must(t, "GET", path+"/once", "").At("status", "succeeded") == float64(1)
	})
	c.Must(t, "DELETE", path+"/once?propagationPolicy=Foreground", "")
	eventually(t, "the job is gone", func() bool { return c.Must(t, "GET", path+"/once", "") == nil })
}

func TestRequestsAreCounted(t *testing.T) {
	c := Shared(t)
	namespace := c.Namespace(t)
	path := "/api/v1/namespaces/" + namespace + "/configmaps"
	requests := c.Count(t, "kubetest", func() {
		c.Must(t, "POST", path+"?dryRun=All", "metadata: {name: a}")
		c.Must(t, "POST", path, "metadata: {name: a}")
		c.Must(t, "GET", path+"/a", "")
		c.Must(t, "DELETE", path+"/none", "")
	})
	if len(requests) != 4 {
		t.Fatalf("%d requests, want 4: %v", len(requests), requests)
	}
	writes := Writes(requests)
	if len(writes) != 2 || writes[0].Verb != "create" || writes[1].Verb != "delete" || writes[1].Code != 404 {
		t.Errorf("writes: %v", writes)
	}
	if writes[0].Resource != "configmaps" || writes[0].Namespace != namespace || writes[0].User != "admin" {
		t.Errorf("first write: %+v", writes[0])
	}
	if others := c.Count(t, "nobody", func() { c.Must(t, "GET", path, "") }); len(others) != 0 {
		t.Errorf("requests of another user agent: %v", others)
	}
}

func TestRestrictedUserIsRestricted(t *testing.T) {
	c := Shared(t)
	namespace := c.Namespace(t)
	file := c.Restricted(t, User{Name: "reader", Namespace: namespace,
		Rules: []Rule{{Groups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"list"}}}})
	reader, err := newClient(file)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{
		"/api/v1/namespaces/" + namespace + "/configmaps": 200,
		"/api/v1/namespaces/" + namespace + "/secrets":    403,
		"/api/v1/configmaps":                              403,
	} {
		if code, _, err := reader.do(t.Context(), "GET", path, "", "kubetest", nil); err != nil || code != want {
			t.Errorf("GET %s: %d %v, want %d", path, code, err, want)
		}
	}
}

func TestProxyBreaksWhatItIsTold(t *testing.T) {
	c := Shared(t)
	deletes := 0
	proxy, err := c.NewProxy(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodDelete {
			deletes++
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	for method, want := range map[string]int{"GET": 200, "DELETE": 403} {
		request, _ := http.NewRequestWithContext(t.Context(), method, proxy.server.URL+"/api/v1/namespaces/default", nil)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("%s: %s, want %d", method, response.Status, want)
		}
	}
	if deletes != 1 {
		t.Errorf("the handler saw %d deletes, want 1", deletes)
	}
}

// A test binary that panics or is killed leaves no control plane behind.
func TestClusterDiesWithItsParent(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a control plane")
	}
	if os.Getenv("KUBETEST_PARENT") != "" {
		c, err := Start(t.Context(), Options{Without: []string{"controllers", "scheduler", "node"}})
		if err != nil {
			t.Fatal(err)
		}
		os.Stdout.WriteString(c.Dir + "\n")
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	command := exec.Command(os.Args[0], "-test.run=^TestClusterDiesWithItsParent$")
	command.Env = append(os.Environ(), "KUBETEST_PARENT=1")
	output, err := command.Output()
	if err == nil {
		t.Fatal("the parent was not killed")
	}
	dir := strings.TrimSpace(string(output))
	if !strings.Contains(dir, "kubebox-") {
		t.Fatalf("the parent printed no state directory: %s", output)
	}
	eventually(t, "the state directory is gone", func() bool {
		_, err := os.Stat(dir)
		return os.IsNotExist(err)
	})
}

func TestClusterComesBack(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a control plane twice")
	}
	dir := t.TempDir()
	options := Options{Dir: dir, Keep: true, Without: []string{"controllers", "scheduler", "node"}}
	c, err := Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	c.Must(t, "POST", "/api/v1/namespaces/default/configmaps", "metadata: {name: kept}")
	options.Bind = strings.TrimPrefix(c.client.server, "https://")
	if err := c.Stop(); err != nil {
		t.Fatal(err)
	}
	again, err := Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Stop()
	if c.Must(t, "GET", "/api/v1/namespaces/default/configmaps/kept", "") == nil {
		t.Error("the object is gone")
	}
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Fatalf("not within 30 s: %s", what)
}
