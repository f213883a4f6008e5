package gitrepo

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"golang.org/x/crypto/ssh"
)

// maxKey is the largest key file that is read, in bytes: a keyring, not a disk.
const maxKey = 4 << 20

// SignFunc returns the armored signature over a commit as it is without one.
type SignFunc func(payload []byte) (string, error)

// LoadSigner reads a private key for signing commits. What kind it is its content says: an OpenPGP
// key, armored or binary, or an ssh key in OpenSSH or PEM format. The passphrase is used where the
// key has one. The time is that of the signatures, and the one at which the key must be valid.
// The first key of a keyring that can sign is taken.
func LoadSigner(file string, passphrase []byte, now time.Time) (SignFunc, error) {
	info, err := os.Stat(file)
	if err == nil && info.Size() > maxKey {
		return nil, newFault(CodeBadKey, fmt.Sprintf("the signing key %s is no key: it has %d bytes", file, info.Size()), "")
	}
	var text []byte
	if err == nil {
		text, err = os.ReadFile(file)
	}
	if err != nil {
		return nil, newFault(CodeBadKey, "reading the signing key: "+pathError(err), "")
	}
	k := signingKey{file: file, text: text, passphrase: passphrase}
	switch {
	case bytes.Contains(text, []byte("-----BEGIN PGP PUBLIC KEY")) || publicSSH(text):
		return nil, k.bad("is a public key", "signing takes the private one")
	case bytes.Contains(text, []byte("-----BEGIN PGP PRIVATE KEY")):
		return k.openPGP(openpgp.ReadArmoredKeyRing, now)
	case bytes.Contains(text, []byte("-----BEGIN ")):
		return k.ssh()
	case len(text) > 0 && text[0]&0x80 != 0: // every OpenPGP packet starts with this bit, and no text does
		return k.openPGP(openpgp.ReadKeyRing, now)
	}
	return nil, k.bad("is neither an OpenPGP nor an ssh private key", "gpg --export-secret-keys or ssh-keygen writes one")
}

// publicSSH says whether text is an ssh public key.
func publicSSH(text []byte) bool {
	_, _, _, _, err := ssh.ParseAuthorizedKey(text)
	return err == nil
}

// signingKey is a key that is being read. What goes wrong with it is said without its content.
type signingKey struct {
	file             string
	text, passphrase []byte
}

const passphraseHint = "give its passphrase in a file or in the environment; a key of its own without one, readable by this job only, does as well"

func (k signingKey) bad(why, hint string) error {
	return newFault(CodeBadKey, "the signing key "+k.file+" "+why, hint)
}

func (k signingKey) locked() error {
	if len(k.passphrase) == 0 {
		return k.bad("has a passphrase, and none is given", passphraseHint)
	}
	return k.bad("does not open with the passphrase", "")
}

func (k signingKey) ssh() (SignFunc, error) {
	signer, err := ssh.ParsePrivateKey(k.text)
	var locked *ssh.PassphraseMissingError
	switch {
	case errors.As(err, &locked) && len(k.passphrase) == 0:
		return nil, k.locked()
	case errors.As(err, &locked):
		if signer, err = ssh.ParsePrivateKeyWithPassphrase(k.text, k.passphrase); err != nil {
			return nil, k.locked()
		}
	case err != nil:
		return nil, k.bad("is not a private key in OpenSSH or PEM format", "")
	}
	return func(payload []byte) (string, error) { return sshSignature(signer, payload) }, nil
}

func (k signingKey) openPGP(read func(io.Reader) (openpgp.EntityList, error), now time.Time) (SignFunc, error) {
	ring, err := read(bytes.NewReader(k.text))
	if err != nil {
		return nil, k.bad("does not parse as an OpenPGP key", "")
	}
	for _, entity := range ring {
		key, ok := entity.SigningKey(now)
		if !ok || key.PrivateKey == nil || key.PrivateKey.Dummy() {
			continue
		}
		if key.PrivateKey.Encrypted {
			if len(k.passphrase) == 0 || key.PrivateKey.Decrypt(k.passphrase) != nil {
				return nil, k.locked()
			}
		}
		fixed := false // the same commit at the same time gets the same signature, where the algorithm allows
		config := &packet.Config{DefaultHash: crypto.SHA512, SigningKeyId: key.PublicKey.KeyId,
			Time: func() time.Time { return now }, NonDeterministicSignaturesViaNotation: &fixed}
		return func(payload []byte) (string, error) {
			var armored strings.Builder
			err := openpgp.ArmoredDetachSign(&armored, entity, bytes.NewReader(payload), config)
			return armored.String(), err
		}, nil
	}
	return nil, k.bad("holds no private key that may sign now", "gpg --list-secret-keys shows what its keys are for and when they end")
}
