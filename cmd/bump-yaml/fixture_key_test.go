package main

import (
	"bytes"
	"os"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sluice-gitops/sluice/internal/testkit/gitserver"
	"github.com/sluice-gitops/sluice/internal/testkit/script"
)

func scriptKey(ts *testscript.TestScript, _ *gitserver.Server, args []string) error {
	passphrase := ""
	if len(args) > 2 {
		passphrase = args[2]
	}
	if args[0] == "ssh" {
		_, key, err := gitserver.NewKey()
		if err != nil {
			return err
		}
		return os.WriteFile(ts.MkAbs(args[1]), key, 0o600)
	}
	key, err := pgpKey(passphrase)
	if err != nil {
		return err
	}
	return os.WriteFile(ts.MkAbs(args[1]), key, 0o600)
}

// pgpKey makes a private OpenPGP key.
func pgpKey(passphrase string) ([]byte, error) {
	config := &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, Time: func() time.Time { return script.Noon.Add(-time.Hour) }}
	entity, err := openpgp.NewEntity("Sluice", "", "sluice@example.com", config)
	if err != nil {
		return nil, err
	}
	if passphrase != "" {
		if err := entity.EncryptPrivateKeys([]byte(passphrase), config); err != nil {
			return nil, err
		}
	}
	var text bytes.Buffer
	w, err := armor.Encode(&text, openpgp.PrivateKeyType, nil)
	if err != nil {
		return nil, err
	}
	if err := entity.SerializePrivateWithoutSigning(w, nil); err != nil {
		return nil, err
	}
	err = w.Close()
	return text.Bytes(), err
}
