package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sluice-gitops/sluice/internal/testkit/gitserver"
	"github.com/sluice-gitops/sluice/internal/testkit/script"
)

func TestMain(m *testing.M) { script.Main(m, app) }

// TestScripts gives every script a git server, which answers as http://git.example and over ssh
// at $SSH, with a key in key and its host key in known_hosts, and these commands:
//
//	repo NAME DIR [BRANCH]   commit the files of DIR on top of BRANCH, main if not given
//	link NAME PATH TARGET    commit a symbolic link
//	requests REFS PACKS      so many listings and packs since the last time
//	token TEXT               want this token from now on
//	reject WORDS             refuse pushes
//	tagged REPO TAG BRANCH   see that the tag stands where the branch does
//	silence                  accept connections and never answer
//	mask FILE                take what differs from run to run out of FILE
//	exits CODE COMMAND...    exec, and see that it exits with CODE
func TestScripts(t *testing.T) {
	script.Run(t, "testdata", func(p *testscript.Params) {
		p.Setup = setup
		for name, command := range commands {
			p.Cmds[name] = func(ts *testscript.TestScript, neg bool, args []string) {
				if err := command(ts, ts.Value("server").(*gitserver.Server), args); (err != nil) != neg {
					ts.Fatalf("%s: %v", name, err)
				}
			}
		}
	})
}

func setup(env *testscript.Env) error {
	s, err := gitserver.New(filepath.Join(env.WorkDir, ".server"))
	if err != nil {
		return err
	}
	env.Defer(s.Close)
	if err := s.StartHTTP(""); err != nil {
		return err
	}
	if err := s.StartSSH(""); err != nil {
		return err
	}
	certificate, err := s.StartHTTPS("")
	if err != nil {
		return err
	}
	_, key, err := gitserver.NewKey()
	if err != nil {
		return err
	}
	for name, text := range map[string][]byte{"key": key, "known_hosts": []byte(s.KnownHosts()), "ca.pem": certificate} {
		if err := os.WriteFile(filepath.Join(env.WorkDir, name), text, 0o600); err != nil {
			return err
		}
	}
	env.Values["server"] = s
	for name, value := range map[string]string{
		"http_proxy": s.HTTP(), "HTTPS": s.HTTPS(), "SSH": s.SSH(), "SSL_CERT_FILE": filepath.Join(env.WorkDir, "ca.pem"),
		"HOME": env.WorkDir, "XDG_CACHE_HOME": filepath.Join(env.WorkDir, ".cache"), "GIT_CONFIG_NOSYSTEM": "1", "SSH_AUTH_SOCK": "",
	} {
		env.Setenv(name, value)
	}
	return nil
}

var commands = map[string]func(ts *testscript.TestScript, s *gitserver.Server, args []string) error{
	"repo": func(ts *testscript.TestScript, s *gitserver.Server, args []string) error {
		r, err := open(s, args[0])
		if err != nil {
			return err
		}
		branch := "main"
		if len(args) > 2 {
			branch = args[2]
		}
		_, err = r.CommitDir(branch, "change", ts.MkAbs(args[1]))
		return err
	},
	"link": func(_ *testscript.TestScript, s *gitserver.Server, args []string) error {
		r, err := open(s, args[0])
		if err != nil {
			return err
		}
		_, err = r.Commit(gitserver.Change{Links: map[string]string{args[1]: args[2]}})
		return err
	},
	"requests": func(_ *testscript.TestScript, s *gitserver.Server, args []string) error {
		got := s.Counts()
		s.ResetCounts()
		if fmt.Sprint(got.Refs, got.Packs) != strings.Join(args, " ") {
			return fmt.Errorf("%d listings and %d packs", got.Refs, got.Packs)
		}
		return nil
	},
	"token": func(_ *testscript.TestScript, s *gitserver.Server, args []string) error {
		s.SetToken(args[0])
		return nil
	},
	"reject": func(_ *testscript.TestScript, s *gitserver.Server, args []string) error {
		s.RejectPushes(args[0])
		return nil
	},
	"tagged": func(_ *testscript.TestScript, s *gitserver.Server, args []string) error {
		r, err := open(s, args[0])
		if err != nil {
			return err
		}
		at, err := r.Git("rev-parse", "--verify", "refs/tags/"+args[1])
		if err != nil {
			return err
		}
		if tip, err := r.Tip(args[2]); err != nil || tip != at {
			return fmt.Errorf("%s is at %s, %s at %s: %v", args[1], at, args[2], tip, err)
		}
		return nil
	},
	"silence": func(_ *testscript.TestScript, s *gitserver.Server, _ []string) error {
		s.Silence(true)
		return nil
	},
	"exits": func(ts *testscript.TestScript, _ *gitserver.Server, args []string) error {
		err := ts.Exec(args[1], args[2:]...)
		code := 0
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			code = exit.ExitCode()
		} else if err != nil {
			return err
		}
		if fmt.Sprint(code) != args[0] {
			return fmt.Errorf("exit code %d", code)
		}
		return nil
	},
	"mask": func(ts *testscript.TestScript, s *gitserver.Server, args []string) error {
		file := ts.MkAbs(args[0])
		text := strings.NewReplacer(
			ts.Getenv("WORK"), "$WORK", strings.TrimPrefix(s.SSH(), "ssh://git@"), "$HOST",
		).Replace(ts.ReadFile(args[0]))
		return os.WriteFile(file, []byte(text), 0o600)
	},
}

func open(s *gitserver.Server, name string) (*gitserver.Repo, error) {
	if r, err := s.Repo(name + ".git"); err == nil {
		return r, nil
	}
	return s.Create(name+".git", nil)
}
