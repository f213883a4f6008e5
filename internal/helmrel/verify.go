package helmrel

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"sigs.k8s.io/yaml"
)

const maxProvenance = 1 << 20

// Keyring holds the keys of those who may publish charts.
type Keyring struct {
	keys openpgp.EntityList
	now  func() time.Time
}

// ReadKeyring reads a file of OpenPGP public keys, binary or armored. now judges their expiry.
func ReadKeyring(file string, now func() time.Time) (*Keyring, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the keyring: %w", err)
	}
	read := openpgp.ReadKeyRing
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("-----BEGIN")) {
		read = openpgp.ReadArmoredKeyRing
	}
	keys, err := read(bytes.NewReader(text))
	if err == nil && len(keys) == 0 {
		err = errors.New("it holds no key")
	}
	if err != nil {
		return nil, fmt.Errorf("reading the keyring %s: %w", file, err)
	}
	return &Keyring{keys, now}, nil
}

// Unverified says that a chart's signature is missing or wrong.
type Unverified struct {
	Chart string
	Err   error
}

func (e *Unverified) Error() string {
	return fmt.Sprintf("the signature of chart %s is not good: %v", e.Chart, e.Err)
}

func (e *Unverified) Unwrap() error { return e.Err }

var errNoProvenance = errors.New("there is none")

// checkSignature holds a chart's archive against its provenance file, which get fetches. Without a
// keyring nothing is checked.
func (s *Sources) checkSignature(a *archive, name string, get func() ([]byte, error)) error {
	if s.Keyring == nil {
		return nil
	}
	fail := func(err error) error { return &Unverified{name + " " + a.version, err} }
	prov, err := get()
	var no *answered
	if errors.As(err, &no) && (no.code == http.StatusNotFound || no.code == http.StatusForbidden) {
		err = errNoProvenance
	}
	if errors.Is(err, errNoProvenance) {
		return fail(err)
	}
	if err != nil {
		return fmt.Errorf("fetching the signature: %w", err)
	}
	if err := s.Keyring.check(a.data, prov, name, a.version); err != nil {
		return fail(err)
	}
	return nil
}

// check reads a provenance file as Helm writes it: the chart's metadata and the digest of its archive,
// signed in the clear. That the names agree is checked too, or one signed chart would stand in for another.
func (k *Keyring) check(data, prov []byte, name, version string) error {
	block := signedText(prov)
	if block == nil {
		return errors.New("the provenance file holds no signature")
	}
	config := &packet.Config{Time: k.now}
	if _, err := openpgp.CheckDetachedSignature(k.keys, bytes.NewReader(block.Bytes), block.ArmoredSignature.Body, config); err != nil {
		return fmt.Errorf("%w", err)
	}
	head, rest, ok := bytes.Cut(block.Plaintext, []byte("\n...\n"))
	var meta struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	}
	var sums struct {
		Files map[string]string `json:"files"`
	}
	if !ok || yaml.Unmarshal(head, &meta) != nil || yaml.Unmarshal(rest, &sums) != nil {
		return errors.New("what is signed is no provenance file")
	}
	if meta.Name != name || meta.Version != version {
		return fmt.Errorf("it is that of chart %s %s", meta.Name, meta.Version)
	}
	want, ok := sums.Files[meta.Name+"-"+meta.Version+".tgz"]
	if !ok || len(sums.Files) != 1 {
		return errors.New("what is signed does not name the chart's archive")
	}
	if got := "sha256:" + sumOf(data); want != got {
		return fmt.Errorf("an archive of digest %s is signed, this one has %s", want, got)
	}
	return nil
}

// signedText takes a signed text apart; nil where there is none. The library panics on some that are cut
// short, and what a server sends must not be able to do that.
func signedText(prov []byte) (block *clearsign.Block) {
	defer func() {
		if recover() != nil {
			block = nil
		}
	}()
	block, _ = clearsign.Decode(prov)
	return block
}

// provURL is where the signature of an archive stands.
func provURL(at string) string {
	u, err := url.Parse(at)
	if err != nil {
		return at + ".prov"
	}
	u.Path += ".prov"
	if u.RawPath != "" {
		u.RawPath += ".prov"
	}
	return u.String()
}

func isUnverified(err error) bool {
	var u *Unverified
	return errors.As(err, &u)
}

// unverified holds back a release whose chart lacks a good signature.
func unverified(err error, h History) Decision {
	code, hint := chartFault(err)
	return Decision{Step: StepBlocked, Revision: lastRevision(h), Code: code, Why: err.Error(), Hint: hint}
}
