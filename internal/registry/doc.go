// Package registry reads what container registries hold: the tags of a repository, and when the
// images under them were created.
//
// A tag list is whole or an error: one page that fails, is cut short or points to another host
// makes the whole list fail, because a tag chosen from a part of a list may be an old one.
//
// Manners towards registries: a limit of requests per second for each host, one handshake per
// host, connections that are used again, Retry-After honoured.
//
// Credentials go to the registry that they are for, and to the token service that it names where
// that stands on the same host or domain (or was allowed by name), and nowhere else: not along a
// redirect, not along a link. Plain http and unverified TLS are only spoken to hosts named as
// insecure, and no connection is made to a link-local address, where clouds keep their secrets.
package registry
