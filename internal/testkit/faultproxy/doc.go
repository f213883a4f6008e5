// Package faultproxy stands between a client and a server, and makes the n-th request go wrong:
// with a status, late, cut short, or never answered.
//
// [Proxy] is a plain HTTP proxy. It gives servers of a test stable names, so that no golden file
// holds a port:
//
//	p := faultproxy.New()
//	p.Handle("registry.example", registry)          // an http.Handler in this process
//	p.Forward("git.example", "127.0.0.1:41234")     // or a listener
//	address, err := p.Start()                       // give it to clients as http_proxy
//	p.Inject(faultproxy.Fault{Match: `^GET .*/tags/list`, Nth: 2, Status: 503})
//	…
//	p.Requests()                                    // what was asked for
//
// It also answers requests that are made to it directly, by their Host header.
//
// [Tunnel] does the same to plain connections, for ssh and TLS.
//
// Neither knows the testing package, so that a demo can use them.
package faultproxy
