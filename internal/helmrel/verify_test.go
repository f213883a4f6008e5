package helmrel

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"helm.sh/helm/v3/pkg/provenance"

	"github.com/sluice-gitops/sluice/internal/testkit/charttest"
)

var signedAt = time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)

func pgp() *packet.Config {
	return &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, Time: func() time.Time { return signedAt }}
}

func newSigner(t *testing.T, lifetime uint32) *openpgp.Entity {
	t.Helper()
	config := pgp()
	config.KeyLifetimeSecs = lifetime
	e, err := openpgp.NewEntity("Charts", "", "charts@example.com", config)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// sign writes a provenance file as helm package --sign does.
func sign(t *testing.T, by *openpgp.Entity, name, version string, archive []byte) []byte {
	t.Helper()
	text := fmt.Sprintf("apiVersion: v2\nname: %s\nversion: %s\n\n...\nfiles:\n  %s-%s.tgz: sha256:%s\n", name, version, name, version, sumOf(archive))
	var out bytes.Buffer
	w, err := clearsign.Encode(&out, by.PrivateKey, pgp())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// keyring reads a file of public keys back.
func keyring(t *testing.T, armored bool, now time.Time, keys ...*openpgp.Entity) *Keyring {
	t.Helper()
	var out bytes.Buffer
	w := io.WriteCloser(nop{&out})
	if armored {
		var err error
		if w, err = armor.Encode(&out, openpgp.PublicKeyType, nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, k := range keys {
		if err := k.Serialize(w); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "pubring.gpg")
	if err := os.WriteFile(file, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	k, err := ReadKeyring(file, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	return k
}

type nop struct{ io.Writer }

func (nop) Close() error { return nil }

func TestVerify(t *testing.T) {
	ours, theirs, short := newSigner(t, 0), newSigner(t, 0), newSigner(t, 3600)
	files := map[string]string{"Chart.yaml": chartYAML("app", "1.0.0")}
	archive := charttest.Archive("app", files)
	other := charttest.Archive("app", map[string]string{"Chart.yaml": chartYAML("app", "1.0.0"), "values.yaml": "evil: true\n"})
	good := sign(t, ours, "app", "1.0.0", archive)
	for _, test := range []struct {
		name string
		prov []byte
		want string
	}{
		{"good", good, ""},
		{"none", nil, "there is none"},
		{"empty", []byte("\n"), "holds no signature"},
		{"of a stranger", sign(t, theirs, "app", "1.0.0", archive), "unknown entity"},
		{"of another archive", sign(t, ours, "app", "1.0.0", other), "is signed, this one has"},
		{"of an older version", sign(t, ours, "app", "0.9.0", archive), "it is that of chart app 0.9.0"},
		{"of another chart", sign(t, ours, "db", "1.0.0", archive), "it is that of chart db"},
		{"changed", bytes.Replace(good, []byte("apiVersion: v2"), []byte("apiVersion: v1"), 1), "signature"},
		{"with an expired key", sign(t, short, "app", "1.0.0", archive), "expired"},
	} {
		r := charttest.Start(t)
		r.Add("app", "1.0.0", files)
		registry, host := registryOf(t, nil)
		push(t, registry, "team/charts/app", "1.0.0", archive, test.prov)
		if test.prov != nil {
			r.Put("/app-1.0.0.tgz.prov", test.prov)
		}
		for _, armored := range []bool{false, true} {
			for from, c := range map[string]ChartSource{"repository": {Repository: r.URL, Name: "app", Version: "^1"}, "registry": {Repository: "oci://" + host + "/team/charts", Name: "app", Version: "^1"}} {
				s := &Sources{Guard: &Guard{InsecureHosts: []string{"127.0.0.1"}}, Keyring: keyring(t, armored, signedAt.Add(48*time.Hour), ours, short)}
				_, err := s.chart(t.Context(), c, keys{})
				if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
					t.Errorf("%s, %s: error %v, want %q", from, test.name, err, test.want)
				}
				if code, hint := Explain(err); err != nil && (!isUnverified(err) || code != CodeUnverified || !strings.Contains(hint, "--keyring")) {
					t.Errorf("%s, %s: code %s, hint %q", from, test.name, code, hint)
				}
			}
		}
	}
	// a server that stumbles is no missing signature
	r := charttest.Start(t)
	r.Add("app", "1.0.0", files)
	r.Handle("/app-1.0.0.tgz.prov", stumbles)
	s := &Sources{Guard: &Guard{InsecureHosts: []string{r.Host()}}, Keyring: keyring(t, false, signedAt, ours)}
	if _, err := s.chart(t.Context(), ChartSource{Repository: r.URL, Name: "app", Version: "1.0.0"}, keys{}); err == nil || isUnverified(err) {
		t.Errorf("error %v", err)
	}
}

func stumbles(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }

// What Helm itself signs is good.
func TestVerifyHelmsOwnSignature(t *testing.T) {
	ours := newSigner(t, 0)
	archive := charttest.Archive("app", map[string]string{"Chart.yaml": chartYAML("app", "1.0.0+build"), "values.yaml": "a: 1\n"})
	file := filepath.Join(t.TempDir(), "app-1.0.0+build.tgz")
	if err := os.WriteFile(file, archive, 0o600); err != nil {
		t.Fatal(err)
	}
	text, err := (&provenance.Signatory{Entity: ours}).ClearSign(file)
	if err != nil {
		t.Fatal(err)
	}
	k := keyring(t, false, time.Now(), ours)
	if err := k.check(archive, []byte(text), "app", "1.0.0+build"); err != nil {
		t.Error(err)
	}
	if err := k.check(append(archive, 0), []byte(text), "app", "1.0.0+build"); err == nil {
		t.Error("any archive is good")
	}
}

// With a cache a signature is checked again in each run: the keyring may have changed.
func TestVerifyCachedChart(t *testing.T) {
	ours, theirs := newSigner(t, 0), newSigner(t, 0)
	files := map[string]string{"Chart.yaml": chartYAML("app", "1.0.0")}
	r, cache := charttest.Start(t), openCache(t)
	r.Add("app", "1.0.0", files)
	r.Put("/app-1.0.0.tgz.prov", sign(t, ours, "app", "1.0.0", charttest.Archive("app", files)))
	get := func(k *Keyring) error {
		s := &Sources{Guard: &Guard{InsecureHosts: []string{r.Host()}}, Cache: cache, Keyring: k}
		_, err := s.chart(t.Context(), ChartSource{Repository: r.URL, Name: "app", Version: "1.0.0"}, keys{})
		return err
	}
	if err := errors.Join(get(nil), get(keyring(t, false, signedAt, ours))); err != nil {
		t.Error(err)
	}
	if err := get(keyring(t, false, signedAt, theirs)); !isUnverified(err) {
		t.Errorf("error %v", err)
	}
}

func TestReadKeyringFaults(t *testing.T) {
	file := filepath.Join(t.TempDir(), "k")
	for _, text := range []string{"", "hello", "-----BEGIN PGP PUBLIC KEY BLOCK-----\n"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadKeyring(file, nil); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestProvURL(t *testing.T) {
	for at, want := range map[string]string{
		"https://a.example/x.tgz": "https://a.example/x.tgz.prov", "https://a.example/x.tgz?token=1": "https://a.example/x.tgz.prov?token=1", "https://a.example/x%2Fy.tgz": "https://a.example/x%2Fy.tgz.prov",
	} {
		if got := provURL(at); got != want {
			t.Errorf("%s: %s", at, got)
		}
	}
}

func FuzzProvenance(f *testing.F) {
	f.Add([]byte("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nname: a\n\n...\nfiles: {}\n-----BEGIN PGP SIGNATURE-----\n\nwsBc\n-----END PGP SIGNATURE-----\n"))
	f.Fuzz(func(t *testing.T, prov []byte) {
		k := &Keyring{now: func() time.Time { return signedAt }}
		if k.check([]byte("x"), prov, "a", "1") == nil {
			t.Error("nobody's signature is good")
		}
	})
}
