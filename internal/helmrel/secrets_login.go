package helmrel

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-gitops/sluice/internal/gitrepo"
)

// keys are what the Secrets of one HelmRelease hold; nil for one that it does not name.
type keys struct {
	pull secretData // chart.chartPullSecret
	git  secretData // chart.secretRef
}

// who tells keys apart within a run. It holds secrets.
func (k keys) who() string { return fmt.Sprint(k.pull, k.git) }

type secretData map[string][]byte

// The keys of a Secret that are read, besides username and password: those of the types that Kubernetes
// knows, and Helm's own file.
const (
	keyUser         = "username"
	keyPassword     = "password"
	keyRepositories = "repositories.yaml"
	keyDocker       = ".dockerconfigjson"
	keyCertificate  = "tls.crt"
	keyPrivate      = "tls.key"
	keyAuthority    = "ca.crt"
	keyIdentity     = "identity"
)

// keysOf reads the Secrets that a HelmRelease names for its chart.
func keysOf(ctx context.Context, h *HelmRelease, objects Objects) (k keys, err error) {
	c := h.Spec.Chart
	read := func(field, namespace, name string) (secretData, error) {
		if namespace == "" {
			namespace = h.Metadata.Namespace
		}
		data, err := objects.Secret(ctx, namespace, name)
		if err != nil {
			return nil, fmt.Errorf("spec.chart.%s: reading Secret %s/%s: %w", field, namespace, name, err)
		}
		if data == nil {
			data = secretData{}
		}
		return data, nil
	}
	if c.ChartPullSecret != nil {
		if k.pull, err = read("chartPullSecret", "", c.ChartPullSecret.Name); err != nil {
			return k, err
		}
	}
	if c.SecretRef != nil && c.FromGit() {
		k.git, err = read("secretRef", c.SecretRef.Namespace, c.SecretRef.Name)
	}
	return k, err
}

// login finds out how to log in to a repository or registry. What the release's own Secret says goes
// before what was configured. named says that the HelmRelease itself names this repository, and so the
// user name and password in its Secret are for it; others are found by their addresses only.
func (s *Sources) login(at string, pull secretData, named bool) (Login, error) {
	login, found, err := pull.login(at, named)
	if err != nil {
		return Login{}, fmt.Errorf("spec.chart.chartPullSecret: %w", err)
	}
	if !found {
		login = s.configured(at)
	}
	if login.User+login.Password == "" && strings.HasPrefix(at, ociScheme) {
		known := s.Logins.of(at)
		login.User, login.Password = known.User, known.Password
	}
	return login, nil
}

func (d secretData) login(at string, named bool) (login Login, found bool, err error) {
	if d == nil {
		return Login{}, false, nil
	}
	understood := false
	if text, ok := d[keyRepositories]; ok {
		understood = true
		all, err := parseRepositories(text, noFiles)
		if err != nil {
			return Login{}, false, fmt.Errorf("key %s: %w", keyRepositories, err)
		}
		login = (&Sources{Repositories: all}).configured(at)
	}
	if text, ok := d[keyDocker]; ok {
		understood = true
		logins, err := parseDockerConfig(text)
		if err != nil {
			return Login{}, false, fmt.Errorf("key %s: %w", keyDocker, err)
		}
		if strings.HasPrefix(at, ociScheme) {
			login = logins.of(at)
		}
	}
	plain := len(d[keyUser])+len(d[keyPassword]) > 0
	if plain && named {
		login = Login{User: lineOf(d[keyUser]), Password: lineOf(d[keyPassword])}
	}
	certificates := len(d[keyAuthority])+len(d[keyCertificate])+len(d[keyPrivate]) > 0
	if certificates && named {
		if login.TLS, err = newTLS(d[keyAuthority], d[keyCertificate], d[keyPrivate]); err != nil {
			return Login{}, false, err
		}
		login.mark = sumOf(slices.Concat(d[keyAuthority], []byte{0}, d[keyCertificate], []byte{0}, d[keyPrivate]))
	}
	if !understood && !plain && !certificates {
		return Login{}, false, fmt.Errorf("the Secret holds neither %s and %s nor %s, %s or %s", keyUser, keyPassword, keyRepositories, keyDocker, keyCertificate)
	}
	return login, login != Login{}, nil
}

// gitAuth is how to log in to a git server by a Secret: user name and password, or a key for ssh.
func (d secretData) gitAuth(knownHosts string) (gitrepo.Auth, error) {
	auth := gitrepo.Auth{KnownHosts: knownHosts, User: lineOf(d[keyUser]), Password: lineOf(d[keyPassword]), Identity: d[keyIdentity]}
	if auth.Password == "" && len(auth.Identity) == 0 {
		return auth, fmt.Errorf("spec.chart.secretRef: the Secret holds neither %s and %s nor %s", keyUser, keyPassword, keyIdentity)
	}
	return auth, nil
}

// lineOf takes off the line's end that a file puts behind a password.
func lineOf(text []byte) string { return strings.TrimRight(string(text), "\r\n") }

// noFiles stands for the files of this machine, which a Secret may not name.
func noFiles(string) ([]byte, error) { return nil, errors.New("a Secret may name no files") }
