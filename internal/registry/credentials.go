package registry

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/sluice-gitops/sluice/internal/imageref"
)

// Credentials are user names and passwords by registry, and the programs that keep some. The zero
// value has none.
type Credentials struct {
	// entries are keyed by host or host/path, each part of the host possibly a glob; the longest
	// path that leads to a repository counts.
	entries map[string]dockerAuth
	// helpers are the programs for single keys, store the one for all others.
	helpers map[string]helper
	store   string
}

// dockerAuth is one entry of a docker configuration.
type dockerAuth struct {
	Auth          string `json:"auth"`
	Username      string `json:"username"`
	Password      string `json:"password"`
	IdentityToken string `json:"identitytoken"`
	RegistryToken string `json:"registrytoken"`
}

// ReadDockerConfig reads a docker configuration file (config.json).
func ReadDockerConfig(file string) (Credentials, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return Credentials{}, fmt.Errorf("reading the docker configuration: %w", err)
	}
	credentials, err := ParseDockerConfig(data)
	if err != nil {
		return Credentials{}, fmt.Errorf("reading the docker configuration %s: %w", file, err)
	}
	return credentials, nil
}

// ParseDockerConfig reads the text of a docker configuration. A bad entry is an error for its
// registry only, when that is asked.
func ParseDockerConfig(data []byte) (Credentials, error) {
	var config struct {
		Auths       map[string]dockerAuth `json:"auths"`
		CredHelpers map[string]string     `json:"credHelpers"`
		CredsStore  string                `json:"credsStore"`
	}
	if err := json.Unmarshal(data, &config); err != nil {
		// The error of a JSON type shows no value, that of a syntax error one character.
		return Credentials{}, fmt.Errorf("decoding JSON: %w", err)
	}
	c := Credentials{entries: map[string]dockerAuth{}, helpers: map[string]helper{}, store: config.CredsStore}
	for key, entry := range config.Auths {
		c.entries[authKey(key)] = entry
		if entry == (dockerAuth{}) && config.CredsStore != "" {
			c.helpers[authKey(key)] = helper{config.CredsStore, key}
		}
	}
	for key, program := range config.CredHelpers {
		c.helpers[authKey(key)] = helper{program, serverName(authKey(key))}
	}
	return c, nil
}

// ParsePullSecret reads the docker configuration in a cluster's Secret. Whoever writes a Secret must
// not make us run a program: those that it names are ignored. An entry that cannot be read is an
// error for its registry only.
func ParsePullSecret(data []byte) (Credentials, error) {
	var config struct {
		Auths map[string]json.RawMessage `json:"auths"`
	}
	if err := json.Unmarshal(data, &config); err != nil {
		return Credentials{}, errors.New("it holds no docker configuration")
	}
	c := Credentials{entries: map[string]dockerAuth{}}
	for key, raw := range config.Auths {
		var entry dockerAuth
		if err := json.Unmarshal(raw, &entry); err != nil {
			entry = dockerAuth{Auth: unreadable}
		}
		c.entries[authKey(key)] = entry
	}
	return c, nil
}

// unreadable is an "auth" that is no base64.
const unreadable = "!"

// Override puts the entries of another over those for the same registries.
func (c *Credentials) Override(by Credentials) {
	if c.entries == nil {
		c.entries = map[string]dockerAuth{}
	}
	for key, entry := range by.entries {
		c.entries[key] = entry
	}
}

// authKey brings a key of a docker configuration, such as https://index.docker.io/v1/, to host or
// host/path.
func authKey(key string) string {
	if _, rest, ok := strings.Cut(key, "://"); ok {
		key = rest
	}
	host, path, _ := strings.Cut(key, "/")
	host = strings.ToLower(host)
	if host == "docker.io" || host == "registry-1.docker.io" {
		host = imageref.Hub
	}
	path = strings.Trim(path, "/")
	if path == "" || path == "v1" || path == "v2" {
		return host
	}
	return host + "/" + path
}

// above walks from a canonical repository name up to its host.
func above(repository string) []string {
	keys := []string{repository}
	for key := repository; ; keys = append(keys, key) {
		end := strings.LastIndexByte(key, '/')
		if end < 0 {
			return keys
		}
		key = key[:end]
	}
}

// entry finds the entry for a canonical repository name. At the same length a name goes before a glob.
func (c Credentials) entry(repository string) (found dockerAuth, known bool) {
	for _, key := range above(repository) {
		if entry, there := c.entries[key]; there {
			return entry, true
		}
		var globs []string
		for glob := range c.entries {
			if strings.ContainsAny(glob, "*?[") && globMatches(glob, key) {
				globs = append(globs, glob)
			}
		}
		if len(globs) > 0 {
			return c.entries[slices.Min(globs)], true
		}
	}
	return found, false
}

// globMatches compares as Kubernetes does: a glob stands for one part of a host's name.
func globMatches(glob, key string) bool {
	globHost, globPath, _ := strings.Cut(glob, "/")
	host, rest, _ := strings.Cut(key, "/")
	wanted, parts := strings.Split(globHost, "."), strings.Split(host, ".")
	if globPath != rest || len(wanted) != len(parts) {
		return false
	}
	for i := range wanted {
		if ok, err := path.Match(wanted[i], parts[i]); err != nil || !ok {
			return false
		}
	}
	return true
}

// Login is what [Credentials] hold for one repository. Logins can be compared; the zero value is none.
type Login struct {
	entry dockerAuth
	known bool
}

// For finds the login for a repository.
func (c Credentials) For(repository imageref.Ref) Login {
	entry, known := c.entry(repository.Canonical().Name())
	return Login{entry, known && entry != dockerAuth{}}
}

// config is nil where the entry holds nothing.
func (e dockerAuth) config() (*authn.AuthConfig, error) {
	config := &authn.AuthConfig{Username: e.Username, Password: e.Password, IdentityToken: e.IdentityToken, RegistryToken: e.RegistryToken}
	if e.Auth != "" {
		user, password, err := e.decode()
		if err != nil {
			return nil, err
		}
		config.Username, config.Password = user, password
	}
	if *config == (authn.AuthConfig{}) {
		return nil, nil
	}
	return config, nil
}

func (e dockerAuth) decode() (user, password string, err error) {
	text, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(e.Auth, "="))
	if err != nil {
		return "", "", errors.New(`its "auth" is not base64`)
	}
	user, password, ok := strings.Cut(strings.TrimRight(string(text), "\x00"), ":")
	if !ok {
		return "", "", errors.New(`its "auth" is not user:password`)
	}
	return user, password, nil
}

// secrets are what of the entry must not be seen.
func (e dockerAuth) secrets() []string {
	user, password, _ := e.decode()
	return append(spellings(user, password), append(spellings(e.Username, e.Password), e.Auth, e.IdentityToken, e.RegistryToken)...)
}
