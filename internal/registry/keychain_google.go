package registry

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"
)

// Google are the registries of Google's cloud: gcr.io and Artifact Registry. A login is the token of
// the identity that Google's library finds: GOOGLE_APPLICATION_CREDENTIALS, what gcloud keeps for
// applications, the machine's or the pod's. Programs are not run.
type Google struct{}

var googleHost = regexp.MustCompile(`^(?:(?:[a-z0-9-]+\.)?gcr\.io|[a-z0-9-]+-docker\.pkg\.dev)$`)

func (*Google) scope(host string) string {
	if googleHost.MatchString(strings.ToLower(host)) {
		return "https://www.googleapis.com/auth/cloud-platform"
	}
	return ""
}

// login gives the wait up with the context: the library has a mind of its own about that.
func (g *Google) login(ctx context.Context, scope string, secret func(...string)) (*authn.AuthConfig, error) {
	type outcome struct {
		config *authn.AuthConfig
		err    error
	}
	answer := make(chan outcome, 1)
	go func() {
		config, err := g.token(ctx, scope, secret)
		answer <- outcome{config, err}
	}()
	select {
	case o := <-answer:
		return o.config, o.err
	case <-ctx.Done():
		return nil, errors.New("asking Google Cloud for a token: no answer in time")
	}
}

func (*Google) token(ctx context.Context, scope string, secret func(...string)) (*authn.AuthConfig, error) {
	if file := os.Getenv("GOOGLE_APPLICATION_CREDENTIALS"); file != "" {
		if _, err := os.Stat(file); err != nil {
			return nil, fmt.Errorf("finding an identity for Google Cloud: %w", err)
		}
	}
	found, err := google.FindDefaultCredentials(ctx, scope)
	if err != nil && strings.Contains(err.Error(), "could not find default credentials") {
		return nil, nil // images for everybody can be read all the same
	}
	if err != nil {
		return nil, errors.New("finding an identity for Google Cloud: its file holds none that can be read")
	}
	token, err := found.TokenSource.Token()
	if err != nil {
		return nil, errors.New("asking Google Cloud for a token: " + googleWords(err))
	}
	secret(token.AccessToken, token.RefreshToken)
	return &authn.AuthConfig{Username: "oauth2accesstoken", Password: token.AccessToken}, nil
}

// googleWords is what went wrong, without what the library shows of answers.
func googleWords(err error) string {
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) && refused.Response != nil {
		return "the answer is " + strings.TrimSpace(refused.Response.Status+" "+refused.ErrorCode)
	}
	return "gcloud auth application-default print-access-token shows why"
}
