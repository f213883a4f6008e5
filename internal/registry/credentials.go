package registry

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/sluice-gitops/sluice/internal/imageref"
)

// Credentials are user names and passwords by registry. The zero value has none.
type Credentials struct {
	// entries are keyed by host or host/path; the longest key that leads to a repository counts.
	entries map[string]dockerAuth
	helpers map[string]string
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

// ParseDockerConfig reads the text of a docker configuration, or of a Secret's .dockerconfigjson.
// A bad entry is an error for its registry only, when that is asked. Programs that keep
// credentials (credsStore) are not run.
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
	c := Credentials{entries: map[string]dockerAuth{}, helpers: map[string]string{}}
	for key, entry := range config.Auths {
		c.entries[authKey(key)] = entry
		if entry == (dockerAuth{}) && config.CredsStore != "" {
			c.helpers[authKey(key)] = config.CredsStore
		}
	}
	for key, helper := range config.CredHelpers {
		c.helpers[authKey(key)] = helper
	}
	return c, nil
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

// find gives the credential for a canonical repository name; nil where there is none.
func (c Credentials) find(repository string) (*authn.AuthConfig, error) {
	for key := repository; ; {
		if helper, there := c.helpers[key]; there {
			return nil, fmt.Errorf("it is kept by docker-credential-%s, which is not run", helper)
		}
		if entry, there := c.entries[key]; there {
			return entry.config()
		}
		end := strings.LastIndexByte(key, '/')
		if end < 0 {
			return nil, nil
		}
		key = key[:end]
	}
}

// Login is what [Credentials] hold for one repository. Logins can be compared; the zero value is none.
type Login struct {
	entry dockerAuth
	known bool
}

// For finds the login for a repository.
func (c Credentials) For(repository imageref.Ref) Login {
	entry, known := c.entry(repository.Canonical().Name())
	return Login{entry, known}
}

// credential is what the session logs in with; nil for nothing.
func (s *session) credential() (*authn.AuthConfig, error) {
	if s.login.known {
		return s.login.entry.config()
	}
	return s.host.client.options.Credentials.find(s.host.name + "/" + s.path)
}

func (c Credentials) entry(key string) (entry dockerAuth, known bool) {
	for {
		if entry, known = c.entries[key]; known {
			return entry, true
		}
		end := strings.LastIndexByte(key, '/')
		if end < 0 {
			return entry, false
		}
		key = key[:end]
	}
}

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
	text, err := base64.StdEncoding.DecodeString(e.Auth)
	if err != nil {
		return "", "", errors.New(`its "auth" is not base64`)
	}
	user, password, ok := strings.Cut(strings.TrimRight(string(text), "\x00"), ":")
	if !ok {
		return "", "", errors.New(`its "auth" is not user:password`)
	}
	return user, password, nil
}

// scrubber takes every secret out of a text.
func (c Credentials) scrubber() *strings.Replacer {
	var pairs []string
	for _, e := range c.entries {
		_, password, _ := e.decode()
		for _, secret := range []string{e.Auth, e.Password, e.IdentityToken, e.RegistryToken, password} {
			if secret != "" {
				pairs = append(pairs, secret, "***")
			}
		}
	}
	return strings.NewReplacer(pairs...)
}
