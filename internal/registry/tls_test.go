package registry

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gitops/sluice/internal/testkit/tlstest"
)

func newAuthority(t *testing.T, name string) *tlstest.Authority {
	t.Helper()
	a, err := tlstest.NewAuthority(t.TempDir(), name)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func issue(t *testing.T, by *tlstest.Authority, until time.Duration) *tlstest.Leaf {
	t.Helper()
	leaf, err := by.Issue(t.TempDir(), "leaf", until)
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

func TestTLS(t *testing.T) {
	ours, theirs := newAuthority(t, "ours"), newAuthority(t, "theirs")
	good, expired, strange := issue(t, ours, time.Hour), issue(t, ours, -time.Hour), issue(t, theirs, time.Hour)
	tags := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"tags":["1"]}`) })
	for _, test := range []struct {
		name           string
		server         *tlstest.Leaf
		clients        *tlstest.Authority
		ca             string
		shown          *tlstest.Leaf
		insecure       bool
		want           Fault
		text, textOf12 string
	}{
		{name: "our authority", server: good, ca: ours.File},
		{name: "no authority", server: good, want: Untrusted, text: "certificate signed by unknown authority"},
		{name: "another authority", server: good, ca: theirs.File, want: Untrusted, text: "certificate signed by unknown authority"},
		{name: "expired", server: expired, ca: ours.File, want: Expired, text: "certificate has expired or is not yet valid"},
		{name: "expired, and nobody checks", server: expired, insecure: true},
		{name: "a client's certificate", server: good, clients: ours, ca: ours.File, shown: good},
		{name: "a client's certificate, and nobody checks the server's", server: expired, clients: ours, insecure: true, shown: good},
		{name: "no client's certificate", server: good, clients: ours, ca: ours.File, want: ClientCert,
			text: "the registry ends the handshake: tls: certificate required", textOf12: "the registry ends the handshake: tls: "},
		// The library does not show a certificate of an authority that the server does not name.
		{name: "a stranger's certificate", server: good, clients: ours, ca: ours.File, shown: strange, want: ClientCert,
			text: "the registry ends the handshake: tls: certificate required", textOf12: "the registry ends the handshake: tls: "},
		{name: "an expired client's certificate", server: good, clients: ours, ca: ours.File, shown: expired, want: ClientCert,
			text: "the registry ends the handshake: tls: expired certificate", textOf12: "the registry ends the handshake: tls: "},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(test.name+", "+tls.VersionName(version), func(t *testing.T) {
				server := tlstest.Serve(tags, test.server, test.clients, version)
				defer server.Close()
				host := server.Listener.Addr().String()
				shown := cmp.Or(test.shown, &tlstest.Leaf{})
				config, err := LoadTLS(test.ca, shown.CertFile, shown.KeyFile)
				if err != nil {
					t.Fatal(err)
				}
				o := Options{RPS: 1e6, Burst: 1e6, TLS: config}
				if test.insecure {
					o.Insecure = []string{host}
				}
				tags, err := New(o).Tags(t.Context(), ref(t, host+"/a"))
				switch {
				case test.want == "" && (err != nil || len(tags) != 1):
					t.Errorf("%v, %v", tags, err)
				case test.want != "" && version == tls.VersionTLS12 && test.textOf12 != "":
					wantFault(t, err, test.want, test.textOf12)
				case test.want != "":
					wantFault(t, err, test.want, test.text)
				}
			})
		}
	}
}

func TestLoadTLS(t *testing.T) {
	a := newAuthority(t, "a")
	leaf := issue(t, a, time.Hour)
	cert, key, other := leaf.CertFile, leaf.KeyFile, issue(t, a, time.Hour).CertFile
	for _, test := range []struct{ ca, cert, key, want string }{
		{"nowhere", "", "", "reading the authorities: open nowhere"},
		{key, "", "", "holds no certificate in PEM"},
		{"", "nowhere", key, "reading the client's certificate: open nowhere"},
		{"", cert, "", "reading the client's certificate: open"},
		{"", other, key, "reading the client's certificate: tls: private key does not match public key"},
		{"", key, cert, "reading the client's certificate: tls: failed to find"},
	} {
		if _, err := LoadTLS(test.ca, test.cert, test.key); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("got %v, want %s", err, test.want)
		}
	}
	if config, err := LoadTLS("", "", ""); err != nil || config.RootCAs != nil {
		t.Errorf("%+v, %v", config, err)
	}
}
