package registry

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
)

// Keychain is where a cloud gives out logins to its registries: [ECR], [Google]. It is asked only for
// hosts of that cloud, and only where the [Credentials] have nothing.
type Keychain interface {
	// scope is what one login is good for, such as a region; empty for a host of somebody else.
	scope(host string) string
	// login asks the cloud; nil where the cloud is not there. What it learns that is secret it tells.
	login(ctx context.Context, scope string, secret func(...string)) (*authn.AuthConfig, error)
}

// keyring finds the login for a repository, and asks each program and cloud once.
type keyring struct {
	secrets secrets
	asked   sync.Map // helper or asking: func() (*authn.AuthConfig, error)
}

// asking is what a cloud was asked for.
type asking struct {
	cloud Keychain
	scope string
}

// credential is what the session logs in with; nil for nothing.
func (s *session) credential(ctx context.Context) (*authn.AuthConfig, error) {
	o, ring := &s.host.client.options, &s.host.client.keys
	if s.login.known {
		ring.secrets.add(s.login.entry.secrets()...)
		config, err := s.login.entry.config()
		if err != nil {
			return nil, fmt.Errorf("the entry in the workload's pull secrets: %w", err)
		}
		return config, nil
	}
	config, done, err := ring.configured(ctx, o.Credentials, s.host.name, s.path, o.RequestTimeout)
	if !done && err == nil {
		config, err = ring.cloud(ctx, o.Keychains, s.host.name, o.RequestTimeout)
	}
	if err != nil {
		return nil, errors.New(ring.secrets.scrub(err.Error()))
	}
	return config, nil
}

// cloud asks the one that the host belongs to.
func (k *keyring) cloud(ctx context.Context, clouds []Keychain, host string, limit time.Duration) (*authn.AuthConfig, error) {
	for _, cloud := range clouds {
		if scope := cloud.scope(host); scope != "" {
			return k.once(ctx, limit, asking{cloud, scope}, func(ctx context.Context) (*authn.AuthConfig, error) {
				return cloud.login(ctx, scope, k.secrets.add)
			})
		}
	}
	return nil, nil
}

// configured looks into the credentials: programs for single registries, entries, the program for
// all others. It is done where there is an entry, even an empty one.
func (k *keyring) configured(ctx context.Context, c Credentials, host, path string, limit time.Duration) (config *authn.AuthConfig, done bool, err error) {
	for _, key := range above(host + "/" + path) {
		if h, there := c.helpers[key]; there {
			if config, err = k.once(ctx, limit, h, h.ask); config != nil || err != nil {
				return config, true, err
			}
		}
	}
	entry, there := c.entry(host + "/" + path)
	if there && (entry != dockerAuth{} || c.store == "") {
		k.secrets.add(entry.secrets()...)
		config, err = entry.config()
		return config, true, err
	}
	if c.store != "" {
		h := helper{c.store, serverName(host)}
		config, err = k.once(ctx, limit, h, h.ask)
	}
	return config, config != nil, err
}

// once asks the first time, and gives the same answer from then on.
func (k *keyring) once(ctx context.Context, limit time.Duration, what any, ask func(context.Context) (*authn.AuthConfig, error)) (*authn.AuthConfig, error) {
	answer, _ := k.asked.LoadOrStore(what, sync.OnceValues(func() (*authn.AuthConfig, error) {
		if limit > 0 {
			limited, cancel := context.WithTimeout(ctx, limit)
			defer cancel()
			ctx = limited
		}
		config, err := ask(ctx)
		if config != nil {
			k.secrets.add(spellings(config.Username, config.Password)...)
			k.secrets.add(config.IdentityToken)
		}
		return config, err
	}))
	return answer.(func() (*authn.AuthConfig, error))()
}
