package gitrepo

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	gitconfig "github.com/go-git/go-git/v5/plumbing/format/config"
)

// Rewrites are the url.<base>.insteadOf rules of the machine and of the user.
type Rewrites struct {
	rules []rule
}

type rule struct{ prefix, base string }

// LoadRewrites reads insteadOf from the system's and the user's git configuration, found as the
// git program finds them: /etc/gitconfig, $XDG_CONFIG_HOME/git/config and ~/.gitconfig, or what
// GIT_CONFIG_SYSTEM, GIT_CONFIG_GLOBAL and GIT_CONFIG_NOSYSTEM say. A repository's own
// configuration is never read, and include.path is not followed.
func LoadRewrites(getenv func(string) string) (*Rewrites, error) {
	r := &Rewrites{}
	for _, file := range configFiles(getenv) {
		if err := r.load(file); err != nil {
			return nil, fmt.Errorf("reading git configuration %s: %w", file, err)
		}
	}
	return r, nil
}

func configFiles(getenv func(string) string) []string {
	var files []string
	if no := strings.ToLower(getenv("GIT_CONFIG_NOSYSTEM")); no == "" || no == "0" || no == "false" {
		system := getenv("GIT_CONFIG_SYSTEM")
		if system == "" {
			system = "/etc/gitconfig"
		}
		files = append(files, system)
	}
	if global := getenv("GIT_CONFIG_GLOBAL"); global != "" {
		return append(files, global)
	}
	home, xdg := getenv("HOME"), getenv("XDG_CONFIG_HOME")
	if xdg == "" && home != "" {
		xdg = filepath.Join(home, ".config")
	}
	if xdg != "" {
		files = append(files, filepath.Join(xdg, "git", "config"))
	}
	if home != "" {
		files = append(files, filepath.Join(home, ".gitconfig"))
	}
	return files
}

func (r *Rewrites) load(file string) error {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	cfg := gitconfig.New()
	if err := gitconfig.NewDecoder(f).Decode(cfg); err != nil {
		// The parser's message quotes the line, and the line may hold a token.
		return errors.New("it does not parse")
	}
	for _, sub := range cfg.Section("url").Subsections {
		for _, prefix := range sub.OptionAll("insteadOf") {
			r.rules = append(r.rules, rule{prefix: prefix, base: sub.Name})
		}
	}
	return nil
}

// apply rewrites url by the longest prefix that matches; among equals the first one read wins,
// as in git.
func (r *Rewrites) apply(url string) string {
	if r == nil {
		return url
	}
	best := rule{}
	for _, c := range r.rules {
		if len(c.prefix) > len(best.prefix) && strings.HasPrefix(url, c.prefix) {
			best = c
		}
	}
	return best.base + url[len(best.prefix):]
}
