package helmrel

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"
)

// test runs the chart's tests against the revision that stands, and notes how they ended. That of a
// revision whose tests failed is noted as failed, unless failures are to be ignored.
func (s *session) test(ctx context.Context, t Task, out Outcome) (Outcome, error) {
	t.reached(PhaseTesting)
	spec := t.HelmRelease.Spec.Test
	testing := action.NewReleaseTesting(s.cfg)
	testing.Timeout = seconds(spec.Timeout)
	testing.Namespace = s.id.Namespace
	s.store.state = t.revision(out.Revision)
	s.store.state.Test = TestPassed
	noted := s.store.Driver
	s.store.Driver = untold{noted} // the outcome is noted once, below
	err := within(ctx, func() error { _, err := testing.Run(s.id.Name); return err })
	s.store.Driver = noted
	out.Test = TestPassed
	switch {
	case err != nil && spec.IgnoreFailures:
		out.Test, out.Note = TestIgnored, "its tests failed, which is ignored: "+fault("testing", err).Error()
	case err != nil:
		out.Test = TestFailed
	}
	s.store.state.Test = out.Test
	if spec.Cleanup == nil || *spec.Cleanup {
		s.cleanUp()
	}
	if out.Test != TestFailed {
		return out, fault("noting the outcome of the tests", s.note(out.Revision))
	}
	noting := s.store.failed("Tests failed: " + err.Error())
	return out, errors.Join(fault("testing", err), fault("noting the outcome of the tests", noting))
}

// untold keeps Helm from storing a revision before it is known what is to be said of it.
type untold struct{ driver.Driver }

func (untold) Update(string, *release.Release) error { return nil }

// note stores a revision with what is known of it.
func (s *session) note(version int) error {
	r, err := s.store.revision(version)
	if err != nil {
		return err
	}
	return s.store.Update(key(s.id.Name, version), r)
}

// cleanUp deletes what the tests made. What cannot be deleted now is before the next tests.
func (s *session) cleanUp() {
	for _, r := range s.store.read {
		for _, h := range r.Hooks {
			if !slices.Contains(h.Events, release.HookTest) {
				continue
			}
			if made, err := s.cfg.KubeClient.Build(bytes.NewBufferString(h.Manifest), true); err == nil {
				_, _ = s.cfg.KubeClient.Delete(made)
			}
		}
	}
}

// revision is what is noted of a revision that the task makes.
func (t Task) revision(version int) Revision {
	inventory, owner := t.Owner.labels()
	return Revision{Version: version, Digest: t.Digest, Owner: owner, Inventory: inventory, Attempt: max(t.Decision.Attempt, 1)}
}
