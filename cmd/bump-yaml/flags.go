package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/sluice-gitops/sluice/internal/gitrepo"
	"github.com/sluice-gitops/sluice/internal/stage"
)

// passphraseVariable is where the signing key's passphrase may stand in the environment.
const passphraseVariable = "SLUICE_SIGNING_PASSPHRASE"

// ciSkip is Flux's text for --ci-skip.
const ciSkip = "[ci skip]"

// commitFlags are the flags of everything that commits.
func commitFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "dry-run", Usage: "commit and push nothing; show the edits as a diff on standard error"},
		&cli.BoolFlag{Name: "exit-code", Usage: "with --dry-run: exit with 3 where there are edits"},
		&cli.StringFlag{Name: "user", Value: "sluice", Usage: "commit as `NAME`"},
		&cli.StringFlag{Name: "email", Value: "sluice@localhost", Usage: "commit with this `ADDRESS`"},
		&cli.StringFlag{Name: "author", Usage: "name `'NAME <ADDRESS>'` as the author; default the one who commits"},
		&cli.BoolFlag{Name: "ci-skip", Usage: "end the commit's message with " + ciSkip},
		&cli.StringFlag{Name: "ci-skip-message", Usage: "end the commit's message with `TEXT` instead"},
		&cli.StringFlag{Name: "signing-key", Usage: "sign with the OpenPGP or ssh private key in `FILE`"},
		&cli.StringFlag{Name: "signing-passphrase-file", Usage: "open the signing key with the passphrase in `FILE`; default that in " + passphraseVariable},
		&cli.StringFlag{Name: "push-branch", Usage: "push to `BRANCH` for review, which is reset to the deployed one each time; nothing in the stream is replaced"},
		&cli.StringFlag{Name: "ssh-key", Usage: "log in with the private key in `FILE`; default the ssh agent"},
		&cli.StringFlag{Name: "known-hosts", Usage: "trust the ssh host keys in `FILE`; default ~/.ssh/known_hosts and /etc/ssh/ssh_known_hosts"},
		&cli.StringFlag{Name: "token-file", Usage: "log in to https with the token in `FILE`"},
	}
}

// options are the flags.
type options struct {
	dryRun, exitCode  bool
	author, committer gitrepo.Person
	sign              gitrepo.SignFunc // nil leaves commits unsigned
	message           messenger
	review            string // the branch for review; empty to push onto the deployed one
	auth              gitrepo.Auth
	// diff is where a dry run shows its edits; nil leaves it to the voice on stderr.
	diff io.Writer
}

// readOptions reads the flags of everything that commits; write makes the message.
func readOptions(s *stage.IO, c *cli.Context, write messenger) (options, error) {
	o := options{
		dryRun: c.Bool("dry-run"), exitCode: c.Bool("exit-code"), review: c.String("push-branch"),
		committer: gitrepo.Person{Name: c.String("user"), Email: c.String("email"), When: s.Now()},
		auth:      gitrepo.Auth{SSHKey: c.String("ssh-key"), KnownHosts: c.String("known-hosts"), TokenFile: c.String("token-file")},
	}
	if c.String("log-format") == "text" {
		o.diff = c.App.ErrWriter
	}
	switch {
	case o.exitCode && !o.dryRun:
		return o, stage.Usagef("--exit-code says whether there are edits to make; it needs --dry-run, which makes none")
	case strings.TrimSpace(o.committer.Name) == "" || strings.TrimSpace(o.committer.Email) == "":
		return o, stage.Usagef("--user and --email must not be empty: git wants both")
	case o.review != "" && gitrepo.CheckBranch(o.review) != nil:
		return o, stage.Usagef("--push-branch: %w", gitrepo.CheckBranch(o.review))
	}
	o.author = o.committer
	if author := c.String("author"); author != "" {
		var err error
		if o.author.Name, o.author.Email, err = parsePerson(author); err != nil {
			return o, err
		}
	}
	skip := c.String("ci-skip-message")
	if skip == "" && c.Bool("ci-skip") {
		skip = ciSkip
	}
	o.message = withSkip(write, skip)
	var err error
	o.sign, err = readSigner(s, c)
	return o, err
}

// parsePerson reads Name <mail>, as git's --author does.
func parsePerson(text string) (name, email string, err error) {
	name, rest, found := strings.Cut(text, "<")
	email, after, closed := strings.Cut(rest, ">")
	name, email = strings.TrimSpace(name), strings.TrimSpace(email)
	if !found || !closed || name == "" || email == "" || strings.TrimSpace(after) != "" || strings.ContainsAny(email, "< \t") {
		return "", "", stage.Usagef("--author is written 'Name <address>', not %q", text)
	}
	return name, email, nil
}

func readSigner(s *stage.IO, c *cli.Context) (gitrepo.SignFunc, error) {
	file, phraseFile := c.String("signing-key"), c.String("signing-passphrase-file")
	if file == "" {
		if phraseFile != "" {
			return nil, stage.Usagef("--signing-passphrase-file opens a key; it needs --signing-key")
		}
		return nil, nil
	}
	passphrase := []byte(s.Getenv(passphraseVariable))
	if phraseFile != "" {
		text, err := os.ReadFile(phraseFile)
		if err != nil {
			return nil, fmt.Errorf("reading the passphrase of the signing key: %w", err)
		}
		passphrase = bytes.TrimRight(text, "\r\n")
	}
	sign, err := gitrepo.LoadSigner(file, passphrase, s.Now())
	if err != nil {
		return nil, &stage.Error{Exit: stage.CodeFailed, Word: gitrepo.Code(err), Hint: gitrepo.Hint(err), Err: err}
	}
	return sign, nil
}
