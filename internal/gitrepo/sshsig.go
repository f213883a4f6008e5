package gitrepo

import (
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"
)

// The format of ssh signatures, from OpenSSH's PROTOCOL.sshsig.
const (
	sshMagic     = "SSHSIG"
	sshNamespace = "git" // what git signs for and checks
	sshHash      = "sha512"
	sshLine      = 70 // characters of base64 on a line
)

// sshSignature is the armored signature that `ssh-keygen -Y sign -n git` makes.
func sshSignature(key ssh.Signer, payload []byte) (string, error) {
	sum := sha512.Sum512(payload)
	signed := append([]byte(sshMagic), ssh.Marshal(struct {
		Namespace, Reserved, Hash string
		Sum                       []byte
	}{sshNamespace, "", sshHash, sum[:]})...)
	signature, err := signWith(key, signed)
	if err != nil {
		return "", fmt.Errorf("signing with the ssh key: %w", err)
	}
	blob := append([]byte(sshMagic), ssh.Marshal(struct {
		Version                   uint32
		Key                       []byte
		Namespace, Reserved, Hash string
		Signature                 []byte
	}{1, key.PublicKey().Marshal(), sshNamespace, "", sshHash, ssh.Marshal(signature)})...)
	var armored strings.Builder
	armored.WriteString("-----BEGIN SSH SIGNATURE-----\n")
	for text := base64.StdEncoding.EncodeToString(blob); text != ""; {
		line := text[:min(sshLine, len(text))]
		text = text[len(line):]
		armored.WriteString(line + "\n")
	}
	armored.WriteString("-----END SSH SIGNATURE-----\n")
	return armored.String(), nil
}

// signWith signs; of an RSA key with SHA-2, for the format takes no SHA-1.
func signWith(key ssh.Signer, data []byte) (*ssh.Signature, error) {
	if rsa, ok := key.(ssh.AlgorithmSigner); ok && key.PublicKey().Type() == ssh.KeyAlgoRSA {
		return rsa.SignWithAlgorithm(rand.Reader, data, ssh.KeyAlgoRSASHA512)
	}
	return key.Sign(rand.Reader, data)
}
