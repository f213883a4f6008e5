// Package registry reads what container registries hold: the tags of a repository, and when the
// images under them were created.
//
// A tag list is whole or an error: one page that fails, is cut short or points to another host
// makes the whole list fail, because a tag chosen from a part of a list may be an old one.
//
// Manners towards registries: a limit of requests per second for each host, one handshake per
// host, connections that are used again, Retry-After honoured, a lower rate after a 429, and a cache
// of what never changes.
//
// Credentials go to the registry that they are for, and to the token service that it names where
// that stands on the same host or domain (or was allowed by name), and nowhere else: not along a
// redirect, not along a link. Plain http and unverified TLS are only spoken to hosts named as
// insecure, and no registry on a link-local address is asked, where clouds keep their secrets: only
// the clouds' own libraries look there, for a login to the registries of that cloud.
package registry
