package gitrepo

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"golang.org/x/crypto/ssh"

	"github.com/sluice-gitops/sluice/internal/testkit/gitserver"
)

// phrase opens the locked keys of these tests, and must never be seen.
const phrase = "CANARY passphrase"

// sshKey makes a private key in OpenSSH's format, and its line for allowed_signers.
func sshKey(t *testing.T, kind, passphrase string) (private, public string) {
	t.Helper()
	var key crypto.PrivateKey
	var err error
	switch kind {
	case "ed25519":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	case "rsa":
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	case "ecdsa":
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(block)), string(ssh.MarshalAuthorizedKey(signer.PublicKey()))
}

// pgpKey makes a private key, armored or not, and its public key, armored.
func pgpKey(t *testing.T, armored bool, passphrase string, life time.Duration) (private, public string) {
	t.Helper()
	config := &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, KeyLifetimeSecs: uint32(life.Seconds()),
		Time: func() time.Time { return how.Author.When.Add(-24 * time.Hour) }}
	entity, err := openpgp.NewEntity("Sluice", "", "sluice@example.com", config)
	if err != nil {
		t.Fatal(err)
	}
	var pub, priv bytes.Buffer
	w, err := armor.Encode(&pub, openpgp.PublicKeyType, nil)
	if err == nil {
		err = entity.Serialize(w)
	}
	if err == nil {
		err = w.Close()
	}
	if err == nil && passphrase != "" {
		err = entity.EncryptPrivateKeys([]byte(passphrase), config)
	}
	if err != nil {
		t.Fatal(err)
	}
	if !armored {
		err = entity.SerializePrivateWithoutSigning(&priv, nil)
	} else if w, err = armor.Encode(&priv, openpgp.PrivateKeyType, nil); err == nil {
		if err = entity.SerializePrivateWithoutSigning(w, nil); err == nil {
			err = w.Close()
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return priv.String(), pub.String()
}

// Signed commits are good for the git program itself, whatever the kind of the key.
func TestSignedCommits(t *testing.T) {
	s := gitserver.Start(t)
	dir := t.TempDir()
	verifySSH := func(public string) []string {
		if _, err := exec.LookPath("ssh-keygen"); err != nil {
			t.Skip("no ssh-keygen")
		}
		signers := filepath.Join(dir, "allowed_signers")
		write(t, signers, "sluice@example.com namespaces=\"git\" "+public)
		return []string{"-c", "gpg.ssh.allowedSignersFile=" + signers}
	}
	verifyPGP := func(public string) []string { return importPGP(t, public) }
	for name, test := range map[string]struct {
		make       func() (private, public string)
		passphrase string
		verify     func(public string) []string // gives git's options
		say        string
	}{
		"ed25519":        {func() (string, string) { return sshKey(t, "ed25519", "") }, "", verifySSH, `Good "git" signature for sluice@example.com with ED25519`},
		"rsa":            {func() (string, string) { return sshKey(t, "rsa", "") }, "", verifySSH, `Good "git" signature for sluice@example.com with RSA`},
		"ecdsa":          {func() (string, string) { return sshKey(t, "ecdsa", "") }, "", verifySSH, `Good "git" signature for sluice@example.com with ECDSA`},
		"locked ed25519": {func() (string, string) { return sshKey(t, "ed25519", phrase) }, phrase, verifySSH, `Good "git" signature`},
		"armored":        {func() (string, string) { return pgpKey(t, true, "", 0) }, "", verifyPGP, "Good signature from"},
		"binary":         {func() (string, string) { return pgpKey(t, false, "", 0) }, "", verifyPGP, "Good signature from"},
		"locked armored": {func() (string, string) { return pgpKey(t, true, phrase, 0) }, phrase, verifyPGP, "Good signature from"},
		"unused phrase":  {func() (string, string) { return pgpKey(t, true, "", 0) }, phrase, verifyPGP, "Good signature from"},
	} {
		t.Run(name, func(t *testing.T) {
			private, public := test.make()
			file := filepath.Join(t.TempDir(), "key")
			write(t, file, private)
			sign, err := LoadSigner(file, []byte(test.passphrase), how.Author.When)
			if err != nil {
				t.Fatal(err)
			}
			repo := s.MustCreate(strings.ReplaceAll(name, " ", "-")+".git", map[string]string{"a": "1"})
			r := newClient(t).open(s.HTTP() + "/" + repo.Name)
			signed := how
			signed.Sign = sign
			c, err := fetch(t, r, "").Commit(t.Context(), map[string][]byte{"a": []byte("2")}, signed)
			if err != nil {
				t.Fatal(err)
			}
			if err := r.Push(t.Context(), c, "main"); err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command("git", append(append([]string{"--git-dir", repo.Dir}, test.verify(public)...), "verify-commit", c.Revision)...).CombinedOutput()
			if err != nil || !strings.Contains(string(out), test.say) {
				t.Errorf("git says %v\n%s", err, out)
			}
			if out, err := repo.Git("fsck", "--full", "--strict"); err != nil {
				t.Error(err, out)
			}
		})
	}
}

// importPGP gives gpg the public key, or where there is none, nothing to do but to skip.
func importPGP(t *testing.T, public string) []string {
	t.Helper()
	if _, err := exec.LookPath("gpg"); err != nil {
		t.Skip("no gpg")
	}
	home, err := os.MkdirTemp("", "gpg") // short: a socket's path has room for about 100 characters
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GNUPGHOME", home)
	t.Cleanup(func() {
		_ = exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run()
		_ = os.RemoveAll(home)
	})
	cmd := exec.Command("gpg", "--batch", "--quiet", "--import")
	cmd.Stdin = strings.NewReader(public)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return nil
}

// The same payload at the same time gets the same signature where the algorithm allows it, and a
// changed one is no longer covered.
func TestSignatureCoversThePayload(t *testing.T) {
	private, public := pgpKey(t, true, "", 0)
	file := filepath.Join(t.TempDir(), "key")
	write(t, file, private)
	sign, err := LoadSigner(file, nil, how.Author.When)
	if err != nil {
		t.Fatal(err)
	}
	one, _ := sign([]byte("payload"))
	two, _ := sign([]byte("payload"))
	if one == "" || one != two {
		t.Error("two signatures of one payload differ")
	}
	ring, err := openpgp.ReadArmoredKeyRing(strings.NewReader(public))
	if err != nil {
		t.Fatal(err)
	}
	config := &packet.Config{Time: func() time.Time { return how.Author.When }}
	if _, err := openpgp.CheckArmoredDetachedSignature(ring, strings.NewReader("payload"), strings.NewReader(one), config); err != nil {
		t.Error(err)
	}
	if _, err := openpgp.CheckArmoredDetachedSignature(ring, strings.NewReader("payloads"), strings.NewReader(one), config); err == nil {
		t.Error("another payload is covered too")
	}
}

func TestRefusedSigningKeys(t *testing.T) {
	lockedSSH, publicSSH := sshKey(t, "ed25519", phrase)
	lockedPGP, publicPGP := pgpKey(t, true, phrase, 0)
	lockedBinary, _ := pgpKey(t, false, phrase, 0)
	expired, _ := pgpKey(t, true, "", time.Hour)
	dir := t.TempDir()
	for name, test := range map[string]struct{ text, passphrase, say string }{
		"no passphrase":            {lockedSSH, "", "has a passphrase, and none is given"},
		"wrong passphrase":         {lockedSSH, "CANARY wrong", "does not open with the passphrase"},
		"pgp, no passphrase":       {lockedPGP, "", "has a passphrase, and none is given"},
		"pgp, wrong passphrase":    {lockedPGP, "CANARY wrong", "does not open with the passphrase"},
		"binary, wrong passphrase": {lockedBinary, "CANARY wrong", "does not open with the passphrase"},
		"expired":                  {expired, "", "holds no private key that may sign now"},
		"public ssh":               {publicSSH, "", "is a public key"},
		"public pgp":               {publicPGP, "", "is a public key"},
		"words":                    {"CANARY words", "", "is neither an OpenPGP nor an ssh private key"},
		"nothing":                  {"", "", "is neither an OpenPGP nor an ssh private key"},
		"broken pem":               {"-----BEGIN OPENSSH PRIVATE KEY-----\nQ0FOQVJZ\n-----END OPENSSH PRIVATE KEY-----\n", "", "is not a private key in OpenSSH or PEM format"},
		"broken pgp":               {"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nQ0FOQVJZ\n-----END PGP PRIVATE KEY BLOCK-----\n", "", "does not parse as an OpenPGP key"},
		"broken binary":            {"\x95CANARY", "", "does not parse as an OpenPGP key"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(dir, strings.ReplaceAll(name, " ", "-"))
			write(t, file, test.text)
			_, err := LoadSigner(file, []byte(test.passphrase), how.Author.When)
			if err == nil || Code(err) != CodeBadKey || !strings.Contains(err.Error(), test.say) {
				t.Errorf("got %v", err)
			}
			if text := fmt.Sprint(err, Hint(err)); strings.Contains(text, "CANARY") {
				t.Errorf("the error repeats a secret: %s", text)
			}
		})
	}
	if _, err := LoadSigner(filepath.Join(dir, "nowhere"), nil, how.Author.When); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("got %v", err)
	}
}
