package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sluice-gitops/sluice/internal/gitrepo"
	"github.com/sluice-gitops/sluice/internal/jsonl"
	mf "github.com/sluice-gitops/sluice/internal/manifest"
	"github.com/sluice-gitops/sluice/internal/testkit/gitserver"
	"github.com/sluice-gitops/sluice/internal/testkit/script"
)

// Commands of the scripts. Repositories are at http://git.example/NAME.git, by a proxy.
//
//	repo NAME DIR               a repository with the files of DIR
//	push NAME DIR [DELETE...]   somebody else commits the files of DIR and removes others
//	race NAME DIR [N]           the same in the middle of each of the next N (1) pushes
//	reject [MESSAGE]            a hook that refuses pushes, or no more
//	requests N                  the server was asked N times since the last look
//	fetch NAME FILE [PATH...]   add to FILE what git-fetch writes about NAME
//	pick FILE ID CONTAINER TO   add to FILE what pick-tag writes
//	show NAME FILE OUT [BRANCH] the file at the branch's tip
//	log NAME OUT [BRANCH]       the commit at the branch's tip as git keeps it
//	tip NAME OUT [BRANCH]       its name
//	key KIND FILE [PASSPHRASE]  a private key for signing, ssh or pgp
//	mask FILE...                take the script's folder out of files
func setup(p *testscript.Params) {
	p.Setup = func(env *testscript.Env) error {
		server, err := gitserver.New(filepath.Join(env.WorkDir, ".server"))
		if err != nil {
			return err
		}
		env.Defer(server.Close)
		if err := server.StartHTTP(""); err != nil {
			return err
		}
		env.Values["server"] = server
		env.Setenv("http_proxy", server.HTTP())
		env.Setenv("HOME", env.WorkDir)
		env.Setenv("GIT_CONFIG_NOSYSTEM", "1")
		return nil
	}
	for name, command := range map[string]func(ts *testscript.TestScript, s *gitserver.Server, args []string) error{
		"repo": scriptRepo, "push": scriptPush, "race": scriptRace, "reject": scriptReject, "requests": scriptRequests,
		"fetch": scriptFetch, "pick": scriptPick, "show": scriptShow, "log": scriptLog, "tip": scriptTip, "key": scriptKey, "mask": scriptMask,
	} {
		p.Cmds[name] = func(ts *testscript.TestScript, neg bool, args []string) {
			err := command(ts, ts.Value("server").(*gitserver.Server), args)
			if neg || err != nil {
				ts.Fatalf("%s: %v", name, err)
			}
		}
	}
}

func scriptRepo(ts *testscript.TestScript, s *gitserver.Server, args []string) error {
	r, err := s.Create(args[0]+".git", map[string]string{".keep": ""})
	if err != nil {
		return err
	}
	_, err = r.CommitDir("main", "content", ts.MkAbs(args[1]))
	return err
}

func scriptPush(ts *testscript.TestScript, s *gitserver.Server, args []string) error {
	r, err := s.Repo(args[0] + ".git")
	if err != nil {
		return err
	}
	return foreign(r, ts.MkAbs(args[1]), args[2:])
}

// foreign commits the files of a folder as somebody else.
func foreign(r *gitserver.Repo, dir string, remove []string) error {
	change := gitserver.Change{Message: "by somebody else", Files: map[string]string{}, Delete: remove}
	err := filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(name)
		path, _ := filepath.Rel(dir, name)
		change.Files[filepath.ToSlash(path)] = string(text)
		return err
	})
	if err != nil {
		return err
	}
	_, err = r.Commit(change)
	return err
}

func scriptRace(ts *testscript.TestScript, s *gitserver.Server, args []string) error {
	r, err := s.Repo(args[0] + ".git")
	if err != nil {
		return err
	}
	dir, left := ts.MkAbs(args[1]), 1
	if len(args) > 2 {
		if left, err = strconv.Atoi(args[2]); err != nil {
			return err
		}
	}
	var turn sync.Mutex
	s.BeforePush(func(string) {
		turn.Lock()
		defer turn.Unlock()
		if left--; left < 0 {
			return
		}
		// Each commit must be another one.
		if err := os.WriteFile(filepath.Join(dir, "count.txt"), []byte(strconv.Itoa(left)), 0o644); err != nil {
			panic(err)
		}
		if err := foreign(r, dir, nil); err != nil {
			panic(err)
		}
	})
	return nil
}

func scriptReject(_ *testscript.TestScript, s *gitserver.Server, args []string) error {
	s.RejectPushes(strings.Join(args, " "))
	return nil
}

func scriptRequests(_ *testscript.TestScript, s *gitserver.Server, args []string) error {
	counts := s.Counts()
	s.ResetCounts()
	if got := strconv.Itoa(counts.Refs + counts.Packs + counts.Pushes); got != args[0] {
		return fmt.Errorf("%+v", counts)
	}
	return nil
}

func scriptFetch(ts *testscript.TestScript, s *gitserver.Server, args []string) error {
	var lines bytes.Buffer
	if err := fetch(&lines, s, ts.MkAbs("mirror"), args[0], args[2:]); err != nil {
		return err
	}
	s.ResetCounts()
	return add(ts.MkAbs(args[1]), lines.Bytes())
}

// fetch writes a source as git-fetch does, after having brought it into a mirror.
func fetch(out *bytes.Buffer, s *gitserver.Server, mirror, name string, paths []string) error {
	dir := filepath.Join(mirror, name)
	repo, err := gitrepo.Open(gitrepo.Options{URL: s.HTTP() + "/" + name + ".git", Store: dir})
	if err != nil {
		return err
	}
	defer repo.Close()
	snap, err := repo.FetchBranch(context.Background(), "main")
	if err != nil {
		return err
	}
	source := jsonl.Source{Type: jsonl.TypeSource, Name: name, URL: "http://git.example/" + name + ".git", Branch: "main",
		Revision: snap.Revision, Tree: snap.Tree, Paths: paths, Store: dir, Signature: jsonl.SignatureUnchecked}
	r, err := readSource(snap, source)
	if err != nil {
		return err
	}
	w := jsonl.NewWriter(out)
	records := []any{jsonl.Begin{Type: jsonl.TypeBegin, Stage: "git-fetch", V: jsonl.Version, Version: "test", Started: script.Noon}, source}
	for _, o := range r.objects {
		records = append(records, o.Manifest)
	}
	end := jsonl.End{Type: jsonl.TypeEnd, Stage: "git-fetch", OK: r.complete, Complete: r.complete,
		Counts: map[string]jsonl.Count{name: {Wrote: len(r.objects)}}, Finished: script.Noon}
	for _, e := range r.errors {
		e.Type, e.Stage = jsonl.TypeError, "git-fetch"
		records = append(records, e)
		end.Incomplete = []string{name}
	}
	for _, record := range append(records, end) {
		if err := w.Write(record); err != nil {
			return err
		}
	}
	return nil
}

func scriptPick(ts *testscript.TestScript, _ *gitserver.Server, args []string) error {
	file := ts.MkAbs(args[0])
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	line, err := pickFor(text, args[1], args[2], args[3])
	if err != nil {
		return err
	}
	return add(file, line)
}

// pickFor writes the pick of a container's image out of a stream's manifests.
func pickFor(stream []byte, id, container, to string) ([]byte, error) {
	picks, err := picksFor(stream, container, map[string]string{id: to})
	if err == nil && len(picks) == 0 {
		err = fmt.Errorf("there is no %s with a container %s", id, container)
	}
	return picks, err
}

// picksFor writes picks of new images by the IDs of their objects, in the order of the stream.
func picksFor(stream []byte, container string, to map[string]string) ([]byte, error) {
	var out bytes.Buffer
	w := jsonl.NewWriter(&out)
	for reader := jsonl.NewReader(bytes.NewReader(stream)); ; {
		line, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return out.Bytes(), nil
		}
		if err != nil {
			return nil, err
		}
		var m jsonl.Manifest
		if line.Type != jsonl.TypeManifest || line.Decode(&m) != nil || to[m.ID] == "" {
			continue
		}
		for _, c := range mf.Images(object{m}.decoded()) {
			if c.Name != container {
				continue
			}
			pick := jsonl.Pick{Type: jsonl.TypePick, Place: m.Place, ID: m.ID, Container: container,
				From: c.Ref, To: to[m.ID], Changed: c.Ref != to[m.ID], Reason: jsonl.ReasonNewer}
			for _, f := range c.Fields {
				pick.Fields = append(pick.Fields, jsonl.Field{Role: jsonl.Role(f.Role), Path: f.Path, Value: f.Value})
			}
			if err := w.Write(pick); err != nil {
				return nil, err
			}
		}
	}
}

func add(file string, text []byte) error {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.Write(text)
	return err
}

func scriptShow(ts *testscript.TestScript, s *gitserver.Server, args []string) error {
	r, err := s.Repo(args[0] + ".git")
	if err != nil {
		return err
	}
	text, err := r.Git("show", branchOf(args, 3)+":"+args[1])
	if err != nil {
		return err
	}
	return os.WriteFile(ts.MkAbs(args[2]), []byte(text+"\n"), 0o644)
}

func branchOf(args []string, at int) string {
	if len(args) > at {
		return args[at]
	}
	return "main"
}

func scriptLog(ts *testscript.TestScript, s *gitserver.Server, args []string) error {
	return scriptGit(ts, s, args, "cat-file", "commit", branchOf(args, 2))
}

func scriptTip(ts *testscript.TestScript, s *gitserver.Server, args []string) error {
	return scriptGit(ts, s, args, "rev-parse", "--verify", branchOf(args, 2))
}

// scriptGit keeps what git says in the repository of the first argument in the file of the second.
func scriptGit(ts *testscript.TestScript, s *gitserver.Server, args []string, git ...string) error {
	r, err := s.Repo(args[0] + ".git")
	if err != nil {
		return err
	}
	text, err := r.Git(git...)
	if err != nil {
		return err
	}
	return os.WriteFile(ts.MkAbs(args[1]), []byte(text+"\n"), 0o644)
}

func scriptMask(ts *testscript.TestScript, _ *gitserver.Server, args []string) error {
	for _, name := range args {
		text := strings.ReplaceAll(ts.ReadFile(name), ts.Getenv("WORK"), "$WORK")
		if err := os.WriteFile(ts.MkAbs(name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
