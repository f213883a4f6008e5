package helmrel

import (
	"net"
	"net/url"
	"strings"
)

// HostOf is the host of a repository's URL, user@host:path included, without its port; empty where
// there is none.
func HostOf(at string) string {
	if strings.Contains(at, "://") {
		u, err := url.Parse(at)
		if err != nil {
			return ""
		}
		return strings.ToLower(u.Hostname())
	}
	user, rest, has := strings.Cut(at, "@")
	if !has {
		rest = user
	}
	host, _, ok := strings.Cut(rest, ":")
	if inner, found := strings.CutPrefix(rest, "["); found {
		host, _, ok = strings.Cut(inner, "]:")
	}
	if !ok || strings.Contains(host, "/") {
		return ""
	}
	return strings.ToLower(host)
}

// SameRepository reports whether two URLs name one repository: a trailing slash or .git, and the short
// form user@host:path of ssh, make no difference.
func SameRepository(a, b string) bool { return a == b || plainURL(a) == plainURL(b) }

func plainURL(at string) string {
	if !strings.Contains(at, "://") {
		if user, rest, ok := strings.Cut(at, ":"); ok && !strings.Contains(user, "/") {
			at = "ssh://" + user + "/" + strings.TrimPrefix(rest, "/")
		}
	}
	u, err := url.Parse(at)
	if err != nil {
		return at
	}
	host := strings.ToLower(u.Host)
	if h, port, err := net.SplitHostPort(host); err == nil && (u.Scheme == "ssh" && port == "22" || u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80") {
		host = h
	}
	user := ""
	if u.User != nil {
		user = u.User.Username() + "@"
	}
	return u.Scheme + "://" + user + host + strings.TrimSuffix(strings.TrimSuffix(u.Path, "/"), ".git")
}
