package faultproxy

import (
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// ConnFault is what goes wrong with a connection.
type ConnFault struct {
	// Nth counts connections from 1; 0 stands for every one.
	Nth int
	// Delay is how long the connection waits before the server sees it.
	Delay time.Duration
	// Silent accepts the connection and never says a word.
	Silent bool
	// Cut closes the connection once CutAfter bytes have come from the server.
	Cut      bool
	CutAfter int64
}

// Tunnel passes connections on to one address.
type Tunnel struct {
	target   string
	listener net.Listener

	mu     sync.Mutex
	faults []ConnFault
	conns  map[net.Conn]bool
	seen   int
	done   chan struct{}
}

// Listen starts a tunnel from a port of loopback to an address (host:port).
func Listen(target string) (*Tunnel, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("starting the tunnel to %s: %w", target, err)
	}
	t := &Tunnel{target: target, listener: listener, conns: map[net.Conn]bool{}, done: make(chan struct{})}
	go t.accept()
	return t, nil
}

// Addr is the address to connect to, host:port.
func (t *Tunnel) Addr() string { return t.listener.Addr().String() }

// Inject adds a fault.
func (t *Tunnel) Inject(f ConnFault) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.faults = append(t.faults, f)
}

// Connections is how many connections were made so far.
func (t *Tunnel) Connections() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.seen
}

// Close ends the tunnel and every connection in it.
func (t *Tunnel) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	select {
	case <-t.done:
		return nil
	default:
		close(t.done)
	}
	for conn := range t.conns {
		_ = conn.Close()
	}
	return t.listener.Close()
}

func (t *Tunnel) accept() {
	for {
		conn, err := t.listener.Accept()
		if err != nil {
			return
		}
		go t.serve(conn)
	}
}

// keep notes an open connection; false once the tunnel is closed.
func (t *Tunnel) keep(conn net.Conn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	select {
	case <-t.done:
		_ = conn.Close()
		return false
	default:
	}
	t.conns[conn] = true
	return true
}

func (t *Tunnel) drop(conn net.Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.conns, conn)
	_ = conn.Close()
}

func (t *Tunnel) fault() ConnFault {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seen++
	for _, f := range t.faults {
		if f.Nth == 0 || f.Nth == t.seen {
			return f
		}
	}
	return ConnFault{}
}

func (t *Tunnel) serve(client net.Conn) {
	if !t.keep(client) {
		return
	}
	defer t.drop(client)
	fault := t.fault()
	if fault.Delay > 0 {
		select {
		case <-time.After(fault.Delay):
		case <-t.done:
			return
		}
	}
	if fault.Silent {
		<-t.done
		return
	}
	server, err := net.Dial("tcp", t.target)
	if err != nil || !t.keep(server) {
		return
	}
	defer t.drop(server)
	go func() {
		_, _ = io.Copy(server, client)
		if half, ok := server.(*net.TCPConn); ok {
			_ = half.CloseWrite()
		}
	}()
	var answers io.Reader = server
	if fault.Cut {
		answers = io.LimitReader(server, fault.CutAfter)
	}
	_, _ = io.Copy(client, answers)
}
