package helmrel

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"

	"sigs.k8s.io/yaml"
)

// Login is how to prove who we are to one server, and how it proves who it is. The zero value is nobody.
type Login struct {
	User, Password string
	// TLS holds authorities, and a certificate to show; nil for those of [Sources].
	TLS *tls.Config
	// Everywhere says that User and Password are also for the other hosts that an index names.
	Everywhere bool

	mark string // tells TLS apart where it was made of a Secret
}

// who tells logins apart within a run. It holds the password.
func (l Login) who() string {
	return strings.Join([]string{l.User, l.Password, l.certificates()}, "\x00")
}

// certificates tells apart what TLS holds.
func (l Login) certificates() string {
	if l.mark == "" && l.TLS != nil {
		return fmt.Sprintf("%p", l.TLS)
	}
	return l.mark
}

// Repository is one of those that were configured beforehand.
type Repository struct {
	Name, URL string
	Login     Login
}

// ReadRepositories reads a repositories.yaml as helm repo add writes it.
func ReadRepositories(file string) ([]Repository, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the repository configuration: %w", err)
	}
	all, err := parseRepositories(text, os.ReadFile)
	if err != nil {
		return nil, fmt.Errorf("reading the repository configuration %s: %w", file, err)
	}
	return all, nil
}

// parseRepositories reads the text of a repositories.yaml; read gives the files that it names.
func parseRepositories(text []byte, read func(string) ([]byte, error)) ([]Repository, error) {
	var config struct {
		Repositories []struct {
			Name       string `json:"name"`
			URL        string `json:"url"`
			Username   string `json:"username"`
			Password   string `json:"password"`
			CertFile   string `json:"certFile"`
			KeyFile    string `json:"keyFile"`
			CAFile     string `json:"caFile"`
			Insecure   bool   `json:"insecure_skip_tls_verify"`
			Everywhere bool   `json:"pass_credentials_all"`
		} `json:"repositories"`
	}
	if yaml.Unmarshal(text, &config) != nil {
		return nil, errors.New("it is no repositories.yaml") // the parser's words may quote a password
	}
	var all []Repository
	for _, r := range config.Repositories {
		login := Login{User: r.Username, Password: r.Password, Everywhere: r.Everywhere}
		if r.CAFile+r.CertFile+r.KeyFile != "" || r.Insecure {
			var err error
			if login.TLS, err = loadTLS(r.CAFile, r.CertFile, r.KeyFile, read); err != nil {
				return nil, fmt.Errorf("repository %s: %w", r.Name, err)
			}
			login.TLS.InsecureSkipVerify = r.Insecure
		}
		all = append(all, Repository{Name: r.Name, URL: r.URL, Login: login})
	}
	return all, nil
}

// LoadTLS reads PEM files: authorities that are trusted besides those of the system, and a client's
// certificate with its key. Each may be empty, the last two only together.
func LoadTLS(authorities, certificate, key string) (*tls.Config, error) {
	return loadTLS(authorities, certificate, key, os.ReadFile)
}

func loadTLS(authorities, certificate, key string, read func(string) ([]byte, error)) (*tls.Config, error) {
	var pem [3][]byte
	for i, file := range []string{authorities, certificate, key} {
		if file == "" {
			continue
		}
		text, err := read(file)
		if err != nil {
			return nil, fmt.Errorf("reading certificates: %w", err)
		}
		pem[i] = text
	}
	return newTLS(pem[0], pem[1], pem[2])
}

// newTLS makes a configuration of PEM texts; nil for what is not there.
func newTLS(authorities, certificate, key []byte) (*tls.Config, error) {
	config := &tls.Config{}
	if authorities != nil {
		pool, err := x509.SystemCertPool()
		if err != nil {
			return nil, fmt.Errorf("reading the system's authorities: %w", err)
		}
		if !pool.AppendCertsFromPEM(authorities) {
			return nil, errors.New("the file of authorities holds no certificate in PEM")
		}
		config.RootCAs = pool
	}
	if certificate != nil || key != nil {
		pair, err := tls.X509KeyPair(certificate, key)
		if err != nil {
			return nil, fmt.Errorf("reading the client's certificate: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// configured finds the login for a repository among those configured beforehand.
func (s *Sources) configured(at string) Login {
	for _, r := range s.Repositories {
		if plainRepository(r.URL) == plainRepository(at) {
			return r.Login
		}
	}
	return Login{}
}

// plainRepository is a repository's URL without what makes no difference.
func plainRepository(at string) string {
	u, err := url.Parse(at)
	if err != nil {
		return at
	}
	return originOf(u) + strings.TrimRight(u.Path, "/")
}

// originOf is scheme and host with its port: what a credential belongs to.
func originOf(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return u.Scheme + "://" + strings.ToLower(u.Hostname()) + ":" + port
}

// wire sends requests that belong to one server's login. Where a redirect or an index leads to another
// server, the login stays behind.
type wire struct {
	guard         *Guard
	origin        string
	authorization string // a header; empty for none
	everywhere    bool
	home, away    http.RoundTripper
}

// RoundTrip sees redirects too, and so nothing is asked that the guard does not allow.
func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := w.guard.CheckURL(r.URL); err != nil {
		return nil, err
	}
	ours := originOf(r.URL) == w.origin
	if w.authorization != "" && (ours || w.everywhere && r.URL.Scheme == "https") {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", w.authorization)
	}
	if ours {
		return w.home.RoundTrip(r)
	}
	return w.away.RoundTrip(r)
}

// client makes requests in the name of login to the server at base.
func (s *Sources) client(base *url.URL, login Login) *http.Client {
	authorization := ""
	if login.User+login.Password != "" {
		authorization = "Basic " + base64.StdEncoding.EncodeToString([]byte(login.User+":"+login.Password))
	}
	return s.authorized(base, authorization, login)
}

// authorized is client with a header of its own.
func (s *Sources) authorized(base *url.URL, authorization string, login Login) *http.Client {
	home := s.home
	if login.TLS != nil {
		home, _ = s.transports.do(login.certificates(), func() (http.RoundTripper, error) { return s.Guard.transport(login.TLS), nil })
	}
	return &http.Client{
		Transport: &wire{guard: s.Guard, origin: originOf(base), authorization: authorization, everywhere: login.Everywhere, home: home, away: s.away},
		CheckRedirect: func(_ *http.Request, via []*http.Request) error {
			if len(via) >= maxRedirects {
				return errRedirects
			}
			return nil
		},
	}
}

// connect prepares the connections to hosts that are asked by name, and to those that they lead to: the
// latter see no certificate of ours.
func (s *Sources) connect() {
	home := s.Guard.transport(s.TLS)
	s.home, s.away = home, home
	if s.TLS != nil && len(s.TLS.Certificates) > 0 {
		plain := s.TLS.Clone()
		plain.Certificates = nil
		s.away = s.Guard.transport(plain)
	}
}

// send makes a request, and keeps the query of a URL out of the error: it may be signed.
func send(client *http.Client, request *http.Request) (*http.Response, error) {
	response, err := client.Do(request)
	var failed *url.Error
	if !errors.As(err, &failed) {
		return response, err
	}
	if errors.Is(failed.Err, ErrRefused) {
		return nil, failed.Err
	}
	return nil, fmt.Errorf("asking %s: %w", bare(failed.URL), failed.Err)
}

// bare is a URL without user, query and fragment.
func bare(at string) string {
	u, err := url.Parse(at)
	if err != nil {
		return "(URL)"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}
