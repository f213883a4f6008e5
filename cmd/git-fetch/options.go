package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
	"sigs.k8s.io/yaml"

	"github.com/sluice-gitops/sluice/internal/gitrepo"
	"github.com/sluice-gitops/sluice/internal/stage"
)

// source is one repository to fetch.
type origin struct {
	name, url, branch string
	paths             []string
	auth              gitrepo.Auth
}

func readOptions(c *cli.Context) ([]origin, error) {
	auth := loginOptions(c)
	var sources []origin
	var err error
	if file := c.String("sources"); file != "" {
		for _, flag := range []string{"branch", "path", "name"} {
			if c.IsSet(flag) {
				return nil, stage.Usagef("--%s and --sources: the file says it for each source", flag)
			}
		}
		if c.Args().Present() {
			return nil, stage.Usagef("URLs and --sources: the file names them all")
		}
		sources, err = readSources(file, auth)
	} else {
		sources, err = fromArguments(c, auth)
	}
	if err != nil {
		return nil, err
	}
	return sources, check(sources)
}

func fromArguments(c *cli.Context, auth gitrepo.Auth) ([]origin, error) {
	urls := c.Args().Slice()
	switch {
	case len(urls) == 0:
		return nil, stage.Usagef("which repository? give its URL, or --sources FILE")
	case len(urls) > 1 && c.IsSet("name"):
		return nil, stage.Usagef("--name names one source, and there are %d URLs; use --sources FILE", len(urls))
	}
	var sources []origin
	for _, url := range urls {
		sources = append(sources, origin{name: c.String("name"), url: url, branch: c.String("branch"), paths: c.StringSlice("path"), auth: auth})
	}
	return sources, nil
}

// sourcesFile is the file of --sources.
type sourcesFile struct {
	Sources []struct {
		Name       string   `json:"name"`
		URL        string   `json:"url"`
		Branch     string   `json:"branch"`
		Paths      []string `json:"paths"`
		SSHKey     string   `json:"sshKey"`
		KnownHosts string   `json:"knownHosts"`
		TokenFile  string   `json:"tokenFile"`
	} `json:"sources"`
}

func readSources(file string, auth gitrepo.Auth) ([]origin, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, stage.Usagef("reading the sources: %w", err)
	}
	var list sourcesFile
	if err := yaml.UnmarshalStrict(bytes.TrimPrefix(text, []byte("\xEF\xBB\xBF")), &list); err != nil {
		return nil, stage.Usagef("%s: %s", file, flat(err))
	}
	if len(list.Sources) == 0 {
		return nil, stage.Usagef("%s: it lists no sources", file)
	}
	// Files named in the file are found from its own folder, wherever the command runs.
	at := func(name, otherwise string) string {
		switch {
		case name == "":
			return otherwise
		case filepath.IsAbs(name):
			return name
		}
		return filepath.Join(filepath.Dir(file), name)
	}
	var sources []origin
	for _, e := range list.Sources {
		if e.URL == "" {
			return nil, stage.Usagef("%s: a source without url", file)
		}
		src := origin{name: e.Name, url: e.URL, branch: e.Branch, paths: e.Paths, auth: auth}
		if e.SSHKey != "" || e.KnownHosts != "" || e.TokenFile != "" {
			src.auth = gitrepo.Auth{SSHKey: at(e.SSHKey, auth.SSHKey), KnownHosts: at(e.KnownHosts, auth.KnownHosts), TokenFile: at(e.TokenFile, "")}
		}
		sources = append(sources, src)
	}
	return sources, nil
}

// flat brings a message of the YAML parser onto one line.
func flat(err error) string {
	return strings.Join(strings.Fields(strings.TrimPrefix(err.Error(), "error converting YAML to JSON: ")), " ")
}

// goodName is what a source may be called: it becomes part of keys, labels and messages.
var goodName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$`)

// check fills in default names and finds what can be said to be wrong without a server.
func check(sources []origin) error {
	seen := map[string]bool{}
	for i := range sources {
		src := &sources[i]
		if err := gitrepo.CheckURL(src.url); err != nil {
			if len(sources) > 1 {
				err = fmt.Errorf("source %d of %d: %w", i+1, len(sources), err) // the URL may hold a password
			}
			return stage.WithHint(stage.Usage(err), gitrepo.Hint(err))
		}
		if src.name == "" {
			if src.name = gitrepo.Name(src.url); !goodName.MatchString(src.name) {
				return stage.Usagef("the URL's last element cannot be the name of a source: give one with --name") // nor is it shown: who knows what it is
			}
		}
		if !goodName.MatchString(src.name) {
			return stage.Usagef("%q cannot be the name of a source: letters, digits, dots, dashes and underscores, at most 63; give one with --name", src.name)
		}
		if seen[src.name] {
			return stage.WithHint(stage.Usagef("two sources are named %s", src.name), "a source is known by its name: give one of them another with --name, or in --sources FILE")
		}
		seen[src.name] = true
		for j, p := range src.paths {
			clean, err := cleanPath(p)
			if err != nil {
				return stage.Usagef("--path %q: %w", p, err)
			}
			src.paths[j] = clean
		}
		slices.Sort(src.paths)
		src.paths = slices.Compact(src.paths)
		if slices.Contains(src.paths, "") {
			src.paths = nil // all of it
		}
	}
	return nil
}

func cleanPath(p string) (string, error) {
	if strings.HasPrefix(p, "/") {
		return "", errors.New("paths start at the top of the repository, without a slash")
	}
	clean := path.Clean(p)
	if clean == ".." || strings.HasPrefix(clean, "../") {
		return "", errors.New("it leads out of the repository")
	}
	if clean == "." {
		return "", nil
	}
	return clean, nil
}
