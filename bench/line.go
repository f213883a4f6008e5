package main

import (
	"net"
	"time"
)

// longLine listens on a port of loopback and passes every connection on to an address as if it were
// far away: a connection takes one round trip to come about, a byte half of one to arrive. As many
// bytes as are sent are on their way at a time.
func longLine(to string, roundTrip time.Duration) (address string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			go pass(near, to, roundTrip)
		}
	}()
	return l.Addr().String(), nil
}

func pass(near net.Conn, to string, roundTrip time.Duration) {
	defer near.Close()
	time.Sleep(roundTrip)
	far, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer far.Close()
	back := make(chan struct{})
	go func() {
		defer close(back)
		late(near, far, roundTrip/2)
	}()
	late(far, near, roundTrip/2)
	<-back
}

// late copies until the end of from, each chunk after a delay, and then ends to.
func late(to, from net.Conn, delay time.Duration) {
	type chunk struct {
		due  time.Time
		data []byte
	}
	way := make(chan chunk, 1024)
	go func() {
		defer close(way)
		for {
			data := make([]byte, 16<<10)
			n, err := from.Read(data)
			if n > 0 {
				way <- chunk{time.Now().Add(delay), data[:n]}
			}
			if err != nil {
				return
			}
		}
	}()
	for c := range way {
		time.Sleep(time.Until(c.due))
		if _, err := to.Write(c.data); err != nil {
			break
		}
	}
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	for range way { // a reader that waits for room ends
	}
}
