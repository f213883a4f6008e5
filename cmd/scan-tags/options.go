package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/sluice-gitops/sluice/internal/pullsecret"
	"github.com/sluice-gitops/sluice/internal/registry"
	"github.com/sluice-gitops/sluice/internal/stage"
)

// options are the flags.
type options struct {
	registry         registry.Options
	all              bool
	include, exclude registry.Globs
	minAge           time.Duration
	now              time.Time
	ecr              *registry.ECR
	cluster          *pullsecret.Reader // nil without --pull-secrets
}

func readOptions(s *stage.IO, c *cli.Context) (options, error) {
	o := options{all: c.Bool("all"), minAge: c.Duration("min-age"), now: s.Now()}
	o.registry = registry.Options{
		RPS: c.Float64("rps"), Burst: c.Int("burst"), Parallel: imagesAtOnce, RequestTimeout: c.Duration("request-timeout"),
		Insecure: c.StringSlice("insecure-host"), TokenHosts: c.StringSlice("token-host"), At: o.now,
	}
	r := &o.registry
	switch {
	case r.RPS <= 0 || math.IsInf(r.RPS, 0) || math.IsNaN(r.RPS):
		return o, stage.Usagef("--rps is a number above zero, not %v", r.RPS)
	case r.Burst < 1:
		return o, stage.Usagef("--burst is at least 1, not %d", r.Burst)
	case r.RequestTimeout <= 0:
		return o, stage.Usagef("--request-timeout is a duration above zero, not %s", r.RequestTimeout)
	case o.minAge < 0:
		return o, stage.Usagef("--min-age is a duration such as 24h, not %s", o.minAge)
	}
	var err error
	if r.Platform, err = registry.ParsePlatform(c.String("platform")); err != nil {
		return o, stage.Usage(fmt.Errorf("--platform: %w", err))
	}
	for flag, globs := range map[string]*registry.Globs{"include": &o.include, "exclude": &o.exclude, "use-labels": &r.UseLabels} {
		if *globs, err = registry.ParseGlobs(c.StringSlice(flag)); err != nil {
			return o, stage.Usage(fmt.Errorf("--%s: %w", flag, err))
		}
	}
	if r.Cache, err = readCache(s, c.String("cache")); err != nil {
		return o, err
	}
	if o.ecr, err = readLogin(s, c, r); err != nil {
		return o, err
	}
	o.cluster, err = openCluster(c)
	return o, err
}

// readCache opens the cache that --cache names; nil for none.
func readCache(s *stage.IO, where string) (registry.Cache, error) {
	address, remote := strings.CutPrefix(where, "memcached://")
	switch {
	case where == "":
		return &usual{open: sync.OnceValues(func() (*registry.Dir, error) { return openUsual(s.Getenv) })}, nil
	case where == "off":
		return nil, nil
	case remote:
		m, err := registry.OpenMemcached(address)
		if err != nil {
			return nil, stage.Usage(fmt.Errorf("--cache: %w", err))
		}
		return m, nil
	case strings.Contains(where, "://"):
		return nil, stage.Usagef("--cache is a folder, memcached://HOST:PORT or off, not %s", where)
	}
	d, err := registry.OpenDir(where)
	if err != nil {
		return nil, stage.WithHint(err, "a cache belongs to one user: name a folder of its own with --cache DIR, or --cache off")
	}
	return d, nil
}

// usual is the cache in the usual place. The folder is made when it is first needed, and one that
// cannot be had is no reason to fail.
type usual struct {
	open func() (*registry.Dir, error)
}

func (u *usual) Load(ctx context.Context, key string) ([]byte, error) {
	d, err := u.open()
	if err != nil {
		return nil, err
	}
	return d.Load(ctx, key)
}

func (u *usual) Save(ctx context.Context, key string, text []byte) error {
	d, err := u.open()
	if err != nil {
		return err
	}
	return d.Save(ctx, key, text)
}

func openUsual(getenv func(string) string) (*registry.Dir, error) {
	base := getenv("XDG_CACHE_HOME")
	if !filepath.IsAbs(base) {
		home := getenv("HOME")
		if home == "" {
			return nil, errors.New("there is no home folder to keep it in; --cache DIR names one, and with --cache off none is missed")
		}
		base = filepath.Join(home, ".cache")
	}
	return registry.OpenDir(filepath.Join(base, "sluice", "registry"))
}
