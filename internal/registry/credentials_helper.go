package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os/exec"
	"regexp"
	"time"

	"github.com/docker/docker-credential-helpers/client"
	"github.com/docker/docker-credential-helpers/credentials"
	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/sluice-gitops/sluice/internal/imageref"
)

// helper is a program docker-credential-NAME that keeps a login, and the name that it keeps it under.
type helper struct{ name, server string }

// serverName is how credential programs know a registry: Docker Hub has an old name.
func serverName(host string) string {
	if host == imageref.Hub {
		return "https://" + host + "/v1/"
	}
	return host
}

// plainName is a program that is looked for in PATH, and nowhere else.
var plainName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// tokenUser in place of a user's name says that the secret is an identity token.
const tokenUser = "<token>"

// ask runs the program; nil where it keeps nothing for the server. What the program writes is shown
// to nobody, because there is no telling what of it is secret.
func (h helper) ask(ctx context.Context) (*authn.AuthConfig, error) {
	program := "docker-credential-" + h.name
	if !plainName.MatchString(h.name) {
		return nil, fmt.Errorf("%q is no name of a credential program", h.name)
	}
	run := &run{command: exec.CommandContext(ctx, program)}
	kept, err := client.Get(func(args ...string) client.Program {
		run.command.Args = append(run.command.Args, args...)
		return run
	}, h.server)
	switch {
	case credentials.IsErrCredentialsNotFound(err):
		return nil, nil
	case errors.Is(run.err, exec.ErrNotFound), errors.Is(run.err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s, which keeps it, is not in PATH", program)
	case ctx.Err() != nil:
		return nil, fmt.Errorf("%s, which keeps it, does not answer in time", program)
	case run.err != nil:
		return nil, fmt.Errorf("%s, which keeps it, fails: %w", program, run.err)
	case err != nil:
		return nil, fmt.Errorf("%s, which keeps it, answers with no login", program)
	case kept.Secret == "":
		return nil, nil
	case kept.Username == tokenUser:
		return &authn.AuthConfig{IdentityToken: kept.Secret}, nil
	}
	return &authn.AuthConfig{Username: kept.Username, Password: kept.Secret}, nil
}

// run is one run of a program, for the library that speaks to it.
type run struct {
	command *exec.Cmd
	err     error
}

// Output runs the program. Its child processes may keep its output open, and are not waited for.
func (r *run) Output() ([]byte, error) {
	var out limited
	r.command.Stdout, r.command.WaitDelay = &out, time.Second
	r.err = r.command.Run()
	return out.kept, r.err
}

// Input sets what the program reads.
func (r *run) Input(in io.Reader) { r.command.Stdin = in }

// maxKept is the most that a program may write, in bytes.
const maxKept = 1 << 20

// limited keeps what is written, and does not grow without end.
type limited struct{ kept []byte }

func (l *limited) Write(p []byte) (int, error) {
	if len(l.kept)+len(p) > maxKept {
		return 0, errors.New("it writes too much")
	}
	l.kept = append(l.kept, p...)
	return len(p), nil
}
