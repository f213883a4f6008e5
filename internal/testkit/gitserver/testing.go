package gitserver

// TB is the part of testing.TB that is needed here.
type TB interface {
	Helper()
	Fatal(args ...any)
	Cleanup(func())
	TempDir() string
}

// Fixture is a server of one test, closed at its end.
type Fixture struct {
	*Server
	tb TB
}

// Start serves HTTP and ssh from a folder of the test.
func Start(tb TB) *Fixture {
	tb.Helper()
	s, err := New(tb.TempDir())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.Close)
	if err := s.StartHTTP(""); err != nil {
		tb.Fatal(err)
	}
	if err := s.StartSSH(""); err != nil {
		tb.Fatal(err)
	}
	return &Fixture{s, tb}
}

// MustCreate is Create that ends the test on an error.
func (f *Fixture) MustCreate(name string, files map[string]string) *Repo {
	f.tb.Helper()
	r, err := f.Create(name, files)
	if err != nil {
		f.tb.Fatal(err)
	}
	return r
}

// MustCommit is Commit that ends the test on an error.
func (f *Fixture) MustCommit(r *Repo, c Change) string {
	f.tb.Helper()
	h, err := r.Commit(c)
	if err != nil {
		f.tb.Fatal(err)
	}
	return h
}
