package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/sluice-gitops/sluice/internal/jsonl"
	"github.com/sluice-gitops/sluice/internal/registry"
	"github.com/sluice-gitops/sluice/internal/stage"
)

// report writes the records in the order of the manifests, each as soon as its repository was
// scanned. A failure that many images share, such as a registry that cannot be reached, is one error.
func report(ctx context.Context, s *stage.IO, images []*image, scan *scan) error {
	said := map[string]bool{}
	for n, i := range images {
		images[n] = nil
		if f := i.fault; f != nil {
			about := fmt.Sprint(f.Source, f.File, f.Line, f.ID, f.Message)
			if !said[about] {
				s.Fail(*f)
			}
			said[about] = true // an annotation may be about several containers
		}
		if i.bare {
			continue
		}
		if i.scanned {
			if err := scan.wait(ctx, s, i.from); err != nil {
				return err
			}
			for _, e := range i.fill() {
				if !said[e.Message] {
					s.Fail(e)
				}
				said[e.Message] = true
			}
		}
		if err := s.Write(i.record); err != nil {
			return err
		}
	}
	s.Total("images", len(images))
	s.Total("repositories scanned", len(scan.order))
	return nil
}

// wait waits for the answers about a repository. The first time it tells what people may want to know
// of them.
func (s *scan) wait(ctx context.Context, io *stage.IO, r *repository) error {
	select {
	case <-r.done:
	case <-ctx.Done():
	}
	if ctx.Err() != nil {
		return context.Cause(ctx) // what failed then, failed for this
	}
	if r.reached {
		return nil
	}
	r.reached = true
	s.reached()
	io.Debugf("%s: %d tags, creation times read for %d", r.name, len(r.tags), len(r.images))
	if doubt := r.doubt(); doubt != "" {
		io.Warn("%s", doubt)
	}
	return nil
}

// fill puts a repository's answers into the record, and gives the failures among them that a next
// run may not have. A tag that lastingly has no creation time is no failure of the run: the record
// says why, and the choice goes on without it.
func (i *image) fill() []jsonl.Error {
	r := i.from
	if r.left--; r.left == 0 {
		defer r.drop()
	}
	if r.err != nil {
		i.record.Fault = r.err.Error()
		return []jsonl.Error{i.failure(r.err)}
	}
	i.record.Whole = true
	i.record.Tags = make([]jsonl.Tag, len(r.tags))
	var failures []jsonl.Error
	for n, name := range r.tags {
		tag, err := i.want.describe(r, name)
		i.record.Tags[n] = tag
		if err != nil && len(failures) == 0 {
			failures = append(failures, i.failure(err))
		}
	}
	return failures
}

// describe gives a tag with what was looked for. The error is a passing one.
func (w *want) describe(r *repository, name string) (jsonl.Tag, error) {
	tag := jsonl.Tag{Name: name}
	var err error
	if w.rule.ByTime() && w.rule.Matches(name) || w.timed[name] {
		image := r.images[name]
		tag.Digest, err = image.Digest, image.Err
		if err == nil {
			tag.Created = &image.Created
		}
	}
	if w.pinned[name] {
		now := r.digests[name]
		tag.Digest, err = now.Digest, cmp.Or(err, now.Err)
	}
	if err == nil {
		return tag, nil
	}
	tag.Fault, tag.Passing = err.Error(), passing(err)
	if !tag.Passing {
		err = nil
	}
	return tag, err
}

func (i *image) failure(err error) jsonl.Error {
	e := jsonl.Error{Code: "registry", Message: err.Error(), Source: i.record.Source, File: i.record.File, Line: i.record.Line, ID: i.record.ID}
	var failed *registry.Error
	if errors.As(err, &failed) {
		e.Code, e.Hint = "registry-"+string(failed.Fault), hint(failed)
	}
	return e
}

// hint says what to do about a registry's failure.
func hint(e *registry.Error) string {
	switch e.Fault {
	case registry.Unauthorized:
		return "log in: docker login " + e.Host + ", --docker-config FILE or --pull-secrets"
	case registry.Denied:
		return "the credential for " + e.Host + " may not read this repository: grant it, or give another by --docker-config FILE"
	case registry.NotFound:
		return "check the spelling; a private repository can look like this without --docker-config FILE"
	case registry.RateLimited:
		return "lower --rps, or log in by --docker-config FILE where that raises the limit"
	case registry.Untrusted:
		return "--ca-file FILE with the authority that signed it makes it trusted; --insecure-host " + e.Host + " trusts anybody there"
	case registry.Expired:
		return "the operator of " + e.Host + " has to renew it; until then --insecure-host " + e.Host + " trusts anybody there"
	case registry.ClientCert:
		return "--client-cert FILE and --client-key FILE show one that " + e.Host + " lets in"
	case registry.PlainHTTP:
		return "--insecure-host " + e.Host + " allows plain http and any certificate"
	case registry.TokenHost:
		return "--token-host HOST allows it for the host named here"
	case registry.Unreachable:
		return "check the name and the network; a proxy is taken from HTTPS_PROXY and HTTP_PROXY"
	case registry.Silent:
		return "--request-timeout and --timeout set the limits"
	case registry.ServerFault, registry.Malformed, registry.Unexpected, registry.Unsupported:
		return "the images keep their tags; the next run asks again, and if this stays it is for the operator of " + e.Host
	case registry.Credential:
		return "mend it there; an entry for " + e.Host + " in the file of --docker-config goes before programs and clouds, a pull secret before that"
	case registry.Refused:
		return "this is never allowed: a request or a credential could go where it does not belong"
	}
	return ""
}
