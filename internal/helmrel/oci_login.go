package helmrel

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
)

// Logins are those of a docker configuration, by host or host/path.
type Logins map[string]Login

// ReadDockerConfig reads the logins in a docker config.json. Programs that it names are not run.
func ReadDockerConfig(file string) (Logins, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the docker configuration: %w", err)
	}
	logins, err := parseDockerConfig(text)
	if err != nil {
		return nil, fmt.Errorf("reading the docker configuration %s: %w", file, err)
	}
	return logins, nil
}

func parseDockerConfig(text []byte) (Logins, error) {
	var config struct {
		Auths map[string]struct {
			Auth     string `json:"auth"`
			Username string `json:"username"`
			Password string `json:"password"`
		} `json:"auths"`
	}
	if json.Unmarshal(text, &config) != nil {
		return nil, errors.New("it is no docker configuration") // the parser's words may quote a password
	}
	logins := Logins{}
	for key, entry := range config.Auths {
		login := Login{User: entry.Username, Password: entry.Password}
		if entry.Auth != "" {
			plain, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(entry.Auth, "="))
			if err != nil {
				continue
			}
			login.User, login.Password, _ = strings.Cut(strings.TrimRight(string(plain), "\x00"), ":")
		}
		if login.User+login.Password != "" {
			logins[dockerKey(key)] = login
		}
	}
	return logins, nil
}

// dockerKey brings https://index.docker.io/v1/ and its like to host or host/path.
func dockerKey(key string) string {
	if _, rest, ok := strings.Cut(key, "://"); ok {
		key = rest
	}
	host, rest, _ := strings.Cut(strings.TrimSuffix(key, "/"), "/")
	host = strings.ToLower(host)
	if slices.Contains(hubNames, host) {
		host = dockerHub
	}
	if rest == "" || rest == "v1" || rest == "v2" {
		return host
	}
	return host + "/" + rest
}

// dockerHub is the host that serves what is called docker.io.
const dockerHub = "registry-1.docker.io"

var hubNames = []string{"docker.io", "index.docker.io"}

// of finds the login for a repository at oci://…: the longest path that leads to it counts.
func (l Logins) of(at string) Login {
	for key := dockerKey(at); ; {
		if login, ok := l[key]; ok {
			return login
		}
		end := strings.LastIndexByte(key, '/')
		if end < 0 {
			return Login{}
		}
		key = key[:end]
	}
}

// get asks the registry, and proves who we are where and as it wants that. The body is the caller's.
func (r *ociRepository) get(ctx context.Context, at *url.URL, accept string) (*http.Response, error) {
	client := r.signed.Load()
	if client == nil {
		client = r.s.authorized(r.base, "", Login{TLS: r.login.TLS})
	}
	response, err := r.request(ctx, client, at, accept)
	if err == nil && response.StatusCode == http.StatusUnauthorized && r.signed.Load() == nil {
		response.Body.Close()
		client, err = r.token.do("", func() (*http.Client, error) { return r.signIn(ctx, response) })
		if err != nil {
			return nil, err
		}
		r.signed.Store(client)
		response, err = r.request(ctx, client, at, accept)
	}
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		response.Body.Close()
		return nil, &answered{bare(at.String()), response.StatusCode, response.Status}
	}
	return response, nil
}

func (r *ociRepository) request(ctx context.Context, client *http.Client, at *url.URL, accept string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, errors.New("the URL does not parse")
	}
	request.Header.Set("Accept", accept)
	return send(client, request)
}

// signIn makes the client for all further requests of what the registry asked for.
func (r *ociRepository) signIn(ctx context.Context, refusal *http.Response) (*http.Client, error) {
	for _, challenge := range refusal.Header.Values("WWW-Authenticate") {
		scheme, rest, _ := strings.Cut(strings.TrimSpace(challenge), " ")
		switch {
		case strings.EqualFold(scheme, "Basic") && r.login.User+r.login.Password != "":
			return r.s.client(r.base, Login{User: r.login.User, Password: r.login.Password, TLS: r.login.TLS}), nil
		case strings.EqualFold(scheme, "Bearer"):
			token, err := r.fetchToken(ctx, rest)
			if err != nil {
				return nil, err
			}
			return r.s.authorized(r.base, "Bearer "+token, Login{TLS: r.login.TLS}), nil
		}
	}
	return nil, &answered{bare(refusal.Request.URL.String()), refusal.StatusCode, refusal.Status}
}

var parameter = regexp.MustCompile(`([A-Za-z_]+)="([^"]*)"`)

// fetchToken asks the token service that the registry names. It gets our password only where it stands
// on the registry's host, in its domain, or was named by a person.
func (r *ociRepository) fetchToken(ctx context.Context, challenge string) (string, error) {
	parameters := map[string]string{}
	for _, m := range parameter.FindAllStringSubmatch(challenge, -1) {
		parameters[strings.ToLower(m[1])] = m[2]
	}
	at, err := url.Parse(parameters["realm"])
	if err != nil || at.Host == "" {
		return "", errors.New("the registry names no token service")
	}
	login := Login{User: r.login.User, Password: r.login.Password}
	if login != (Login{}) && !r.s.mayHaveLogin(r.base.Hostname(), at) {
		return "", &TokenHost{Registry: r.base.Host, Host: at.Host}
	}
	query := at.Query()
	query.Set("scope", "repository:"+r.path+":pull")
	if service := parameters["service"]; service != "" {
		query.Set("service", service)
	}
	at.RawQuery = query.Encode()
	if originOf(at) == originOf(r.base) {
		login.TLS = r.login.TLS
	}
	body, err := fetch(ctx, r.s.client(at, login), at.String(), maxManifest)
	if err != nil {
		return "", fmt.Errorf("asking for a token: %w", err)
	}
	var answer struct {
		Token       string `json:"token"`
		AccessToken string `json:"access_token"`
	}
	if json.Unmarshal(body, &answer) != nil || answer.Token+answer.AccessToken == "" {
		return "", errors.New("asking for a token: the answer holds none")
	}
	if answer.Token == "" {
		return answer.AccessToken, nil
	}
	return answer.Token, nil
}

// TokenHost says that a registry sends us to another host for a token, which is none to have its password.
type TokenHost struct{ Registry, Host string }

func (e *TokenHost) Error() string {
	return fmt.Sprintf("the credential for %s would go to the token service on %s", e.Registry, e.Host)
}

func (s *Sources) mayHaveLogin(registry string, realm *url.URL) bool {
	host := strings.ToLower(realm.Hostname())
	registry = strings.ToLower(registry)
	if host == registry || slices.ContainsFunc(s.TokenHosts, func(h string) bool { return strings.EqualFold(h, realm.Host) || strings.EqualFold(h, host) }) {
		return true
	}
	return domainOf(host) == domainOf(registry) || host == domainOf(registry) || domainOf(host) == registry
}

// domainOf is a host's name without its first part, where that leaves a domain; an address is its own.
func domainOf(host string) string {
	if _, err := netip.ParseAddr(host); err == nil {
		return host
	}
	if _, parent, ok := strings.Cut(host, "."); ok && strings.Contains(parent, ".") {
		return parent
	}
	return host
}
