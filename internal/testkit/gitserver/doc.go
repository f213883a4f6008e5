// Package gitserver is a git server in the process: repositories in a folder, served over smart
// HTTP and over ssh by the git program (so shallow fetches, hooks and protocol 2 are the real
// ones), with the faults that tests need. It wants git on PATH and nothing else; it knows no
// testing package, so that a demo can use it too. [Start] is the short way for a test.
//
//	s := gitserver.Start(t)
//	repo := s.MustCreate("team/config.git", map[string]string{"a.yaml": "…"})
//	url := s.HTTP() + "/team/config.git"
//
// A stable host name without a name server: set http_proxy to [Server.HTTP] and use
// http://git.example/team/config.git; the server answers for any host.
package gitserver
