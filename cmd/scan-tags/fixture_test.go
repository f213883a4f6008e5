package main

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sluice-gitops/sluice/internal/jsonl"
	"github.com/sluice-gitops/sluice/internal/manifest"
	"github.com/sluice-gitops/sluice/internal/testkit/faultproxy"
	"github.com/sluice-gitops/sluice/internal/testkit/registrytest"
	"github.com/sluice-gitops/sluice/internal/testkit/script"
)

// world is the network of a script: a registry at registry.example that speaks plain http, and a
// proxy before it.
type world struct {
	*faultproxy.Proxy
	registry *registrytest.Registry
	notes    notes
}

// Commands of the scripts.
//
//	push REPOSITORY TAG DAYS [TAG...]   an image, DAYS after the first of January 2026, under the tags
//	image REPOSITORY TAG DAYS [LABEL=VALUE...]
//	many REPOSITORY N                   N images under the tags t0000, t0001…, each a minute after the one before
//	index REPOSITORY TAG DAYS PLATFORM...
//	spoil MATCH [status=N] [nth=N] [cut=N] [silent] [drop] [body=TEXT] [Header=VALUE]...
//	heal                                nothing is spoiled any more
//	stream OUT FILE...                  what git-fetch writes about the files
//	asked FILE                          the requests since the last look, sorted
//	await MATCH                         wait for a request, "METHOD http://host/path"
//	still FOLDER OUT                    the files of a folder and when they were written, into OUT
//	poison FOLDER cut|flip|swap         do that to every file of a cache
//	memcached                           a stand-in, at $MEMCACHED
//	guard USER PASSWORD REALM           the registry wants a login, at a token service or (REALM empty) itself
func setup(p *testscript.Params) {
	p.Setup = func(env *testscript.Env) error {
		registry, err := registrytest.New()
		if err != nil {
			return err
		}
		env.Defer(registry.Close)
		w := &world{Proxy: faultproxy.New(), registry: registry}
		w.Handle("registry.example", registry)
		address, err := w.Start()
		if err != nil {
			return err
		}
		env.Defer(func() { w.Close() })
		env.Values["world"] = w
		env.Setenv("HOME", env.WorkDir)
		env.Setenv("XDG_CACHE_HOME", "")
		env.Setenv("http_proxy", address)
		env.Setenv("https_proxy", address)
		return nil
	}
	commands := map[string]func(ts *testscript.TestScript, w *world, args []string) error{
		"push": scriptPush, "index": scriptIndex, "spoil": scriptSpoil, "heal": scriptHeal, "stream": scriptStream,
		"asked": scriptAsked, "guard": scriptGuard, "image": scriptImage, "many": scriptMany, "await": scriptAwait,
		"still": scriptStill, "poison": scriptPoison, "memcached": scriptMemcached,
	}
	maps.Copy(commands, loginCommands)
	for name, command := range commands {
		p.Cmds[name] = func(ts *testscript.TestScript, neg bool, args []string) {
			err := command(ts, ts.Value("world").(*world), args)
			if neg || err != nil {
				ts.Fatalf("%s: %v", name, err)
			}
		}
	}
}

func after(days string) (time.Time, error) {
	n, err := strconv.Atoi(days)
	return time.Date(2026, 1, 1+n, 0, 0, 0, 0, time.UTC), err
}

func scriptPush(_ *testscript.TestScript, w *world, args []string) error {
	created, err := after(args[2])
	if err == nil {
		_, err = w.registry.Push(args[0], args[1], created, args[3:]...)
	}
	return err
}

func scriptIndex(_ *testscript.TestScript, w *world, args []string) error {
	created, err := after(args[2])
	if err == nil {
		_, err = w.registry.PushIndex(args[0], args[1], created, args[3:]...)
	}
	return err
}

func scriptSpoil(_ *testscript.TestScript, w *world, args []string) error {
	fault := faultproxy.Fault{Match: args[0], Header: http.Header{}}
	for _, arg := range args[1:] {
		key, value, _ := strings.Cut(arg, "=")
		n, err := strconv.Atoi(value)
		switch key {
		case "status":
			fault.Status = n
		case "nth":
			fault.Nth = n
		case "cut":
			fault.Cut, fault.CutAfter = true, int64(n)
		case "silent":
			fault.Silent, err = true, nil
		case "drop":
			fault.Drop, err = true, nil
		case "body":
			fault.Body, err = value, nil
		default:
			fault.Header.Add(key, value)
			err = nil
		}
		if err != nil {
			return err
		}
	}
	w.Inject(fault)
	return nil
}

func scriptHeal(_ *testscript.TestScript, w *world, _ []string) error {
	w.Clear()
	return nil
}

func scriptAsked(ts *testscript.TestScript, w *world, args []string) error {
	var lines bytes.Buffer
	requests := w.Requests()
	slices.Sort(requests)
	for _, r := range requests {
		if !strings.HasPrefix(r, "CONNECT") {
			fmt.Fprintln(&lines, r)
		}
	}
	w.Forget()
	return os.WriteFile(ts.MkAbs(args[0]), lines.Bytes(), 0o600)
}

func scriptGuard(_ *testscript.TestScript, w *world, args []string) error {
	user, password, realm := args[0], args[1], args[2]
	login := func(r *http.Request) bool {
		u, p, ok := r.BasicAuth()
		return ok && u == user && p == password
	}
	w.Handle("registry.example", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		challenge, ok := `Basic realm="registry"`, login(r)
		if realm != "" {
			challenge, ok = `Bearer realm="`+realm+`"`, r.Header.Get("Authorization") == "Bearer t0ken"
		}
		if !ok {
			rw.Header().Set("WWW-Authenticate", challenge)
			rw.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(rw, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`)
			return
		}
		w.registry.ServeHTTP(rw, r)
	}))
	for _, host := range []string{"auth.registry.example", "stranger.test"} {
		w.Handle(host, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if !login(r) {
				rw.WriteHeader(http.StatusUnauthorized)
				return
			}
			fmt.Fprint(rw, `{"token":"t0ken"}`)
		}))
	}
	return nil
}

func scriptStream(ts *testscript.TestScript, _ *world, args []string) error {
	var out bytes.Buffer
	writer := jsonl.NewWriter(&out)
	records := []any{
		jsonl.Begin{Type: jsonl.TypeBegin, Stage: "git-fetch", V: jsonl.Version, Version: script.Version, Started: script.Noon},
		jsonl.Source{Type: jsonl.TypeSource, Name: "config", URL: "https://git.example/config.git", Branch: "main",
			Revision: strings.Repeat("1", 40), Tree: strings.Repeat("2", 40), Store: "/store", Signature: jsonl.SignatureUnchecked},
	}
	wrote := 0
	for _, file := range args[1:] {
		objects, faults := manifest.Parse([]byte(ts.ReadFile(file)))
		if len(faults) > 0 {
			return fmt.Errorf("%s: %v", file, faults[0])
		}
		for _, o := range objects {
			id, err := jsonl.ObjectID(o.JSON)
			if err != nil {
				return err
			}
			sum, err := jsonl.Sum(o.JSON)
			if err != nil {
				return err
			}
			records = append(records, jsonl.Manifest{Type: jsonl.TypeManifest, Place: jsonl.Place{Source: "config", File: file, Doc: o.Doc, Item: o.Item, Line: o.Line},
				ID: id.String(), Object: o.JSON, Sum: sum})
			wrote++
		}
	}
	records = append(records, jsonl.End{Type: jsonl.TypeEnd, Stage: "git-fetch", OK: true, Complete: true,
		Counts: map[string]jsonl.Count{"config": {Wrote: wrote}}, Finished: script.Noon})
	for _, record := range records {
		if err := writer.Write(record); err != nil {
			return err
		}
	}
	return os.WriteFile(ts.MkAbs(args[0]), out.Bytes(), 0o600)
}
