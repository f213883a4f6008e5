package helmrel

import "sync"

// memo does each thing once, also when several ask for it at the same time. Failures are kept too:
// within one run the answer stays the same.
type memo[V any] struct {
	mu    sync.Mutex
	calls map[string]*call[V]
}

type call[V any] struct {
	once  sync.Once
	value V
	err   error
}

func (m *memo[V]) do(key string, f func() (V, error)) (V, error) {
	m.mu.Lock()
	if m.calls == nil {
		m.calls = map[string]*call[V]{}
	}
	c, ok := m.calls[key]
	if !ok {
		c = &call[V]{}
		m.calls[key] = c
	}
	m.mu.Unlock()
	c.once.Do(func() { c.value, c.err = f() })
	return c.value, c.err
}
