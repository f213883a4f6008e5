package main

import (
	"errors"

	"github.com/sluice-gitops/sluice/internal/jsonl"
	"github.com/sluice-gitops/sluice/internal/policy"
	"github.com/sluice-gitops/sluice/internal/registry"
	"github.com/sluice-gitops/sluice/internal/stage"
)

// report writes the records, in the order of the manifests. A failure that many images share, such
// as a registry that cannot be reached, is one error.
func report(s *stage.IO, images []image, scan *scan) error {
	for _, r := range scan.order {
		s.Debugf("%s: %d tags, creation times read for %d", r.name, len(r.tags), len(r.images))
	}
	said := map[string]bool{}
	for _, i := range images {
		if i.fault != nil {
			s.Fail(*i.fault)
		}
		if i.bare {
			continue
		}
		if i.scanned {
			for _, e := range i.fill(scan.repositories[i.record.Repository]) {
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

// fill puts a repository's answers into the record, and gives the failures among them that a next
// run may not have. A tag that lastingly has no creation time is no failure of the run: the record
// says why, and the choice goes on without it.
func (i *image) fill(r *repository) []jsonl.Error {
	if r.err != nil {
		i.record.Fault = r.err.Error()
		return []jsonl.Error{i.failure(r.err)}
	}
	i.record.Whole = true
	i.record.Tags = make([]jsonl.Tag, len(r.tags))
	var failures []jsonl.Error
	for n, name := range r.tags {
		tag, err := describe(i.rule, name, r)
		i.record.Tags[n] = tag
		if err != nil && len(failures) == 0 {
			failures = append(failures, i.failure(err))
		}
	}
	return failures
}

// describe gives a tag with what the policy needs to know of it. The error is a passing one.
func describe(rule policy.Policy, name string, r *repository) (jsonl.Tag, error) {
	tag := jsonl.Tag{Name: name}
	if !rule.ByTime() || !rule.Matches(name) {
		return tag, nil
	}
	known := r.images[name]
	tag.Digest = known.Digest
	if known.Err == nil {
		tag.Created = &known.Created
		return tag, nil
	}
	tag.Fault = known.Err.Error()
	var failed *registry.Error
	if errors.As(known.Err, &failed) && !failed.Fault.Passing() {
		return tag, nil
	}
	tag.Passing = true
	return tag, known.Err
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
		return "log in: --docker-config FILE with an entry for " + e.Host
	case registry.Denied:
		return "the credential for " + e.Host + " may not read this repository: grant it, or give another by --docker-config FILE"
	case registry.NotFound:
		return "check the spelling; a private repository can look like this without --docker-config FILE"
	case registry.RateLimited:
		return "lower --rps, or log in by --docker-config FILE where that raises the limit"
	case registry.PlainHTTP, registry.Untrusted:
		return "--insecure-host " + e.Host + " allows plain http and any certificate"
	case registry.TokenHost:
		return "--token-host HOST allows it for the host named here"
	case registry.Unreachable:
		return "check the name and the network; a proxy is taken from HTTPS_PROXY and HTTP_PROXY"
	case registry.Silent:
		return "--request-timeout and --timeout set the limits"
	case registry.ServerFault, registry.Malformed, registry.Unexpected:
		return "the images keep their tags; the next run asks again, and if this stays it is for the operator of " + e.Host
	case registry.Credential:
		return "give a user and a password for " + e.Host + " in the file of --docker-config"
	case registry.Refused:
		return "this is never allowed: a request or a credential could go where it does not belong"
	}
	return ""
}
