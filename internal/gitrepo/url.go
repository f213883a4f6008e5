package gitrepo

import (
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// address is a remote repository in one of the three ways that this package speaks.
type address struct {
	scheme string // https, http or ssh
	user   string
	pass   string // only ever from the user's own git configuration
	host   string // without brackets
	port   int    // 0 = the scheme's
	path   string // as the server gets it: http keeps its percent signs, ssh is decoded
}

const tokenHint = "give the token with --token-file FILE, and leave it out of the URL"

// scpLike is user@host:path, git's short form of ssh. What stands before the colon holds no
// slash, or it would be a local path.
var scpLike = regexp.MustCompile(`^(?:([^@/:\s]+)@)?(\[[0-9a-fA-F:.]+\]|[^:/\s@]+):(.+)$`)

// CheckURL says whether raw can be used as the address of a repository: https, http, ssh or
// user@host:path, without a password. The error never repeats the address where that could
// repeat a credential.
func CheckURL(raw string) error {
	a, err := parseAddress(raw)
	if err != nil {
		return err
	}
	if a.pass != "" {
		return newFault(CodeBadURL, "the URL holds a password", tokenHint)
	}
	return nil
}

// Name returns the default name of a source: the last path element of its URL without ".git".
// Empty when the URL has none.
func Name(raw string) string {
	a, err := parseAddress(raw)
	if err != nil {
		return ""
	}
	p := strings.TrimRight(a.path, "/")
	if p == "" {
		return ""
	}
	if unescaped, err := url.PathUnescape(p); err == nil {
		p = unescaped
	}
	return strings.TrimSuffix(path.Base(p), ".git")
}

func parseAddress(raw string) (*address, error) {
	if strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return nil, newFault(CodeBadURL, "the URL holds a blank or a control character", "")
	}
	if transport, _, ok := strings.Cut(raw, "::"); ok && !strings.ContainsAny(transport, "/@[") {
		return nil, newFault(CodeBadURL, "a URL that names a transport program is not supported",
			"use https, ssh or user@host:path")
	}
	if strings.Contains(raw, "://") {
		return parseURL(raw)
	}
	m := scpLike.FindStringSubmatch(raw)
	if m == nil || strings.HasPrefix(raw, "/") || strings.HasPrefix(raw, ".") {
		return nil, newFault(CodeBadURL, "a local path is not a repository URL",
			"serve the repository over https or ssh")
	}
	a := &address{scheme: "ssh", user: m[1], host: strings.Trim(m[2], "[]"), path: m[3]}
	// https:user:password@host/path, or user:password@host/path: a URL whose slashes or scheme were
	// lost, rather than a host of that name.
	if a.user == "" && schemes[strings.ToLower(a.host)] || strings.Contains(a.path, "@") {
		return nil, newFault(CodeBadURL, "the URL is not of the form user@host:path, and may hold a password", tokenHint)
	}
	return a, a.check()
}

// schemes are words that nobody means as a host.
var schemes = map[string]bool{"https": true, "http": true, "ssh": true, "git": true, "file": true}

// misplaced is user:password@ behind the host.
var misplaced = regexp.MustCompile(`:.*@`)

func parseURL(raw string) (*address, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, newFault(CodeBadURL, "the URL does not parse", "")
	}
	a := &address{scheme: strings.ToLower(u.Scheme), user: u.User.Username(), host: u.Hostname()}
	a.pass, _ = u.User.Password()
	switch a.scheme {
	case "https", "http":
		a.path = u.EscapedPath()
	case "ssh", "git+ssh", "ssh+git":
		a.scheme, a.path = "ssh", u.Path
		if strings.HasPrefix(a.path, "/~") {
			a.path = a.path[1:]
		}
	default:
		known := "such a"
		if schemes[a.scheme] || a.scheme == "ftp" {
			known = "a " + a.scheme + "://" // any other word may be a password
		}
		return nil, newFault(CodeBadURL, known+" URL is not supported", "use https, ssh or user@host:path")
	}
	if u.RawQuery != "" || u.Fragment != "" || u.ForceQuery {
		return nil, newFault(CodeBadURL, "the URL has a query or a fragment", tokenHint)
	}
	if misplaced.MatchString(u.Path) {
		return nil, newFault(CodeBadURL, "the URL's path looks as if it held a password", tokenHint)
	}
	if p := u.Port(); p != "" {
		if a.port, err = strconv.Atoi(p); err != nil || a.port < 1 || a.port > 65535 {
			return nil, newFault(CodeBadURL, "the URL has a bad port", "")
		}
	}
	return a, a.check()
}

// check refuses what another program could take for an option.
func (a *address) check() error {
	if a.host == "" || strings.Trim(a.path, "/") == "" {
		return newFault(CodeBadURL, "the URL lacks a host or a path", "")
	}
	for _, part := range []string{a.user, a.host, a.path} {
		if strings.HasPrefix(part, "-") {
			return newFault(CodeBadURL, "the URL has a part that starts with a dash", "")
		}
	}
	return nil
}

func (a *address) http() bool { return a.scheme != "ssh" }
