package gitrepo

import (
	"cmp"
	"encoding/base64"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
	gitssh "github.com/go-git/go-git/v5/plumbing/transport/ssh"
	"golang.org/x/crypto/ssh"
)

// Auth is how to prove who we are, and how the server proves who it is.
type Auth struct {
	// SSHKey is the file of an OpenSSH or PEM private key without a passphrase. Empty: the ssh
	// agent at SSH_AUTH_SOCK.
	SSHKey string
	// KnownHosts is the file of ssh host keys to trust, in OpenSSH's format. Empty: those of
	// SSH_KNOWN_HOSTS (a path list), else ~/.ssh/known_hosts and /etc/ssh/ssh_known_hosts.
	KnownHosts string
	// TokenFile is a file whose first line is a token or password for https. The user name is
	// that of the URL, else "x-access-token", which the usual servers take with any token.
	TokenFile string
	// User and Password are for https, Identity is the text of a private key for ssh. They go before
	// the files above, and are for callers that hold them in memory.
	User, Password string
	Identity       []byte
	// What a URL has no use for is left alone: one environment serves repositories of both kinds.
}

// tokenUser is the user name that goes with a token when the URL has none.
const tokenUser = "x-access-token"

// httpAuth returns the credential for an http address, nil for none, and the texts to scrub.
func (o *Auth) httpAuth(a *address) (transport.AuthMethod, []string, error) {
	user, pass := a.user, a.pass
	if o.TokenFile != "" {
		token, err := readToken(o.TokenFile)
		if err != nil {
			return nil, nil, err
		}
		if pass = token; user == "" {
			user = tokenUser
		}
	}
	if o.Password != "" {
		pass = o.Password
		if user = cmp.Or(o.User, user); user == "" {
			user = tokenUser
		}
	}
	if user == "" && pass == "" {
		return nil, nil, nil
	}
	basic := base64.StdEncoding.EncodeToString([]byte(user + ":" + pass))
	secrets := []string{basic, pass}
	if a.pass != "" || o.TokenFile == "" && o.Password == "" {
		// A token may stand in the place of the name.
		secrets = append(secrets, user)
	}
	return &githttp.BasicAuth{Username: user, Password: pass}, secrets, nil
}

func readToken(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", newFault(CodeBadKey, "reading the token file: "+pathError(err), "")
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	if line = strings.TrimSpace(line); line == "" {
		return "", newFault(CodeBadKey, "the token file "+file+" is empty", "")
	}
	return line, nil
}

// sshAuth returns the key or agent for an ssh address, with strict checking of the host's key.
func (o *Auth) sshAuth(a *address, getenv func(string) string) (transport.AuthMethod, error) {
	files, err := o.knownHosts(getenv)
	if err != nil {
		return nil, err
	}
	db, err := gitssh.NewKnownHostsDb(files...)
	if err != nil {
		if strings.Contains(err.Error(), "unable to find any valid known_hosts") {
			return nil, newFault(CodeHostKey, "there is no file of known hosts", hostKeyHint(a))
		}
		return nil, newFault(CodeHostKey, "reading the known hosts: "+oneLine(err.Error()), hostKeyHint(a))
	}
	check := gitssh.HostKeyCallbackHelper{
		HostKeyCallback: db.HostKeyCallback(),
		// Without this a file that holds only one of the server's key types fails as a mismatch.
		HostKeyAlgorithms: db.HostKeyAlgorithms(a.hostPort()),
	}
	user := a.user
	if user == "" {
		user = gitssh.DefaultUsername
	}
	if len(o.Identity) > 0 {
		keys, err := parseKey(user, "given", o.Identity)
		if err != nil {
			return nil, err
		}
		keys.HostKeyCallbackHelper = check
		return keys, nil
	}
	if o.SSHKey == "" {
		agent, err := gitssh.NewSSHAgentAuth(user)
		if err != nil {
			return nil, newFault(CodeBadKey, "there is no ssh key and no ssh agent", "give the key with --ssh-key FILE")
		}
		agent.HostKeyCallbackHelper = check
		return agent, nil
	}
	keys, err := loadKey(user, o.SSHKey)
	if err != nil {
		return nil, err
	}
	keys.HostKeyCallbackHelper = check
	return keys, nil
}

func loadKey(user, file string) (*gitssh.PublicKeys, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, newFault(CodeBadKey, "reading the ssh key: "+pathError(err), "")
	}
	return parseKey(user, file, text)
}

func parseKey(user, file string, text []byte) (*gitssh.PublicKeys, error) {
	signer, err := ssh.ParsePrivateKey(text)
	var locked *ssh.PassphraseMissingError
	if errors.As(err, &locked) {
		return nil, newFault(CodeBadKey, "the ssh key "+file+" has a passphrase",
			"add it to an ssh agent and leave out --ssh-key, or use a key of its own without a passphrase")
	}
	if err != nil {
		return nil, newFault(CodeBadKey, "the ssh key "+file+" is not a private key in OpenSSH or PEM format", "")
	}
	return &gitssh.PublicKeys{User: user, Signer: signer}, nil
}

func (o *Auth) knownHosts(getenv func(string) string) ([]string, error) {
	if o.KnownHosts != "" {
		if _, err := os.Stat(o.KnownHosts); err != nil {
			return nil, newFault(CodeHostKey, "reading the known hosts: "+pathError(err), "--known-hosts names a file with the server's host keys")
		}
		return []string{o.KnownHosts}, nil
	}
	if files := filepath.SplitList(getenv("SSH_KNOWN_HOSTS")); len(files) > 0 {
		return files, nil
	}
	return []string{filepath.Join(getenv("HOME"), ".ssh", "known_hosts"), "/etc/ssh/ssh_known_hosts"}, nil
}

func (a *address) hostPort() string {
	port := a.port
	if port == 0 {
		port = map[string]int{"ssh": 22, "http": 80, "https": 443}[a.scheme]
	}
	return net.JoinHostPort(a.host, strconv.Itoa(port))
}

func hostKeyHint(a *address) string {
	scan := "ssh-keyscan "
	if a.port != 0 && a.port != 22 {
		scan += "-p " + strconv.Itoa(a.port) + " "
	}
	return "get the host's keys with `" + scan + a.host + "`, compare their fingerprints with those that the host's owner publishes, " +
		"and add them to the file of --known-hosts (default ~/.ssh/known_hosts)"
}

// pathError is the text of a file error; file names are no secret.
func pathError(err error) string {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Path + ": " + p.Err.Error()
	}
	return err.Error()
}
