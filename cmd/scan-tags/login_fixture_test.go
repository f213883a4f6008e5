package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sluice-gitops/sluice/internal/testkit/tlstest"
)

// Commands of the scripts about logins and certificates.
//
//	users HOST USER:PASSWORD...         the host is the registry, for these users; and takes note
//	offered FILE                        "HOST USER:PASSWORD PATH" of the tag lists since the last look, sorted
//	secure good|expired [clients] FILE  the registry speaks TLS, for clients with a certificate of ours or for all; $SECURE in
//	                                    the file becomes its address. ours.pem and theirs.pem are authorities, client.pem and
//	                                    client.key are of ours, stranger.pem and stranger.key of theirs
//	cloud ANSWER                        a stand-in for a cloud's own services, at $CLOUD, that answers this to everything
//	clouded N                           that it was asked N times
var loginCommands = map[string]func(ts *testscript.TestScript, w *world, args []string) error{
	"users": scriptUsers, "offered": scriptOffered, "secure": scriptSecure, "cloud": scriptCloud, "clouded": scriptClouded,
}

// notes are what the servers of a script saw.
type notes struct {
	mu      sync.Mutex
	offered []string
	clouded int
}

func scriptUsers(_ *testscript.TestScript, w *world, args []string) error {
	host, users := args[0], args[1:]
	w.Handle(host, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		user, password, ok := r.BasicAuth()
		pair := user + ":" + password
		if ok && strings.HasSuffix(r.URL.Path, "/tags/list") {
			w.notes.mu.Lock()
			w.notes.offered = append(w.notes.offered, host+" "+pair+" "+r.URL.Path)
			w.notes.mu.Unlock()
		}
		if !ok || !slices.Contains(users, pair) {
			rw.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
			rw.WriteHeader(http.StatusUnauthorized)
			fmt.Fprintf(rw, `{"errors":[{"code":"UNAUTHORIZED","message":"not for %s (%s)"}]}`, pair, r.Header.Get("Authorization"))
			return
		}
		w.registry.ServeHTTP(rw, r)
	}))
	return nil
}

func scriptOffered(ts *testscript.TestScript, w *world, args []string) error {
	w.notes.mu.Lock()
	defer w.notes.mu.Unlock()
	slices.Sort(w.notes.offered)
	text := strings.Join(append(w.notes.offered, ""), "\n")
	w.notes.offered = nil
	return os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600)
}

func scriptSecure(ts *testscript.TestScript, w *world, args []string) error {
	dir := ts.MkAbs(".")
	ours, err := tlstest.NewAuthority(dir, "ours")
	if err != nil {
		return err
	}
	theirs, err := tlstest.NewAuthority(dir, "theirs")
	if err != nil {
		return err
	}
	until := map[string]time.Duration{"good": time.Hour, "expired": -time.Hour}[args[0]]
	leaf, err := ours.Issue(dir, "server", until)
	if err != nil {
		return err
	}
	if _, err := ours.Issue(dir, "client", time.Hour); err != nil {
		return err
	}
	if _, err := theirs.Issue(dir, "stranger", time.Hour); err != nil {
		return err
	}
	var clients *tlstest.Authority
	if args[1] == "clients" {
		clients = ours
	}
	server := tlstest.Serve(w.registry, leaf, clients, 0)
	ts.Defer(server.Close)
	file := args[len(args)-1]
	text := strings.ReplaceAll(ts.ReadFile(file), "$SECURE", server.Listener.Addr().String())
	return os.WriteFile(ts.MkAbs(file), []byte(text), 0o600)
}

func scriptCloud(ts *testscript.TestScript, w *world, args []string) error {
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.notes.mu.Lock()
		w.notes.clouded++
		w.notes.mu.Unlock()
		rw.Header().Set("Metadata-Flavor", "Google")
		rw.Header().Set("Content-Type", "application/x-amz-json-1.1")
		fmt.Fprint(rw, args[0])
	}))
	ts.Defer(server.Close)
	ts.Setenv("CLOUD", server.URL)
	ts.Setenv("CLOUD_ADDRESS", server.Listener.Addr().String())
	return nil
}

func scriptClouded(_ *testscript.TestScript, w *world, args []string) error {
	w.notes.mu.Lock()
	defer w.notes.mu.Unlock()
	if got := fmt.Sprint(w.notes.clouded); got != args[0] {
		return fmt.Errorf("the cloud was asked %s times", got)
	}
	return nil
}
