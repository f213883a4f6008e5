package helmrel

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"
	helmtime "helm.sh/helm/v3/pkg/time"
)

// records is Helm's storage of one release, for one task. It knows from the list of all records which
// revisions there are, so that Helm's questions about the history cost the one revision that matters,
// not all of them; and it writes the labels. A revision that somebody else makes in between stops the
// task when it stores its own, which then is there already.
type records struct {
	driver.Driver
	name    string
	history History
	read    map[int]*release.Release
	remove  func(key string) error
	// state says what is noted of the revision that the task makes.
	state Revision
}

func key(name string, version int) string {
	return fmt.Sprintf("sh.helm.release.v1.%s.v%d", name, version)
}

func (s *records) revision(version int) (*release.Release, error) {
	if r := s.read[version]; r != nil {
		return r, nil
	}
	r, err := s.Driver.Get(key(s.name, version))
	if err == nil {
		s.read[version] = r
	}
	return r, err
}

// Get makes it a driver.
func (s *records) Get(at string) (*release.Release, error) {
	for _, r := range s.history {
		if at == key(s.name, r.Version) {
			return s.revision(r.Version)
		}
	}
	return nil, driver.ErrReleaseNotFound
}

// Query answers for the history, of which only the last revision is whole, and for the deployed
// revisions, which are.
func (s *records) Query(labels map[string]string) ([]*release.Release, error) {
	var all []*release.Release
	for i, r := range s.history {
		switch status := labels["status"]; {
		case status != "" && status != r.Status:
		case status != "" || i == len(s.history)-1:
			whole, err := s.revision(r.Version)
			if err != nil {
				return nil, err
			}
			all = append(all, whole)
		default:
			all = append(all, &release.Release{Name: s.name, Version: r.Version, Info: &release.Info{Status: release.Status(r.Status)}})
		}
	}
	if len(all) == 0 {
		return nil, driver.ErrReleaseNotFound
	}
	return all, nil
}

// Create stores a revision, with the labels of what it is.
func (s *records) Create(at string, r *release.Release) error {
	s.label(r)
	if err := s.Driver.Create(at, r); err != nil {
		if errors.Is(err, driver.ErrReleaseExists) {
			return fmt.Errorf("revision %d is there already: another Helm was quicker", r.Version)
		}
		return err
	}
	s.history = append(s.history, Revision{Version: r.Version, Status: string(r.Info.Status)})
	s.read[r.Version] = r
	return nil
}

// Update stores a revision anew.
func (s *records) Update(at string, r *release.Release) error {
	if r.Version == s.state.Version {
		s.label(r)
	}
	if err := s.Driver.Update(at, r); err != nil {
		return err
	}
	for i := range s.history {
		if s.history[i].Version == r.Version {
			s.history[i].Status = string(r.Info.Status)
		}
	}
	s.read[r.Version] = r
	return nil
}

// Delete removes a revision without reading it first.
func (s *records) Delete(at string) (*release.Release, error) {
	if err := s.remove(at); err != nil {
		return nil, err
	}
	s.history = slices.DeleteFunc(s.history, func(r Revision) bool { return at == key(s.name, r.Version) })
	return nil, nil
}

// label writes what the next run reads by [revisionOf].
func (s *records) label(r *release.Release) {
	if s.state.Version != r.Version {
		return
	}
	labels := map[string]string{} // Helm lets a rollback share those of its target
	maps.Copy(labels, r.Labels)
	r.Labels = labels
	r.Labels[LabelDigest] = digestLabel(r.Version, s.state.Digest)
	r.Labels[LabelState] = s.state.stateLabel()
	r.Labels[LabelOwner], r.Labels[LabelInventory] = s.state.Owner, s.state.Inventory
}

// noteInterrupted marks a revision that was left pending as failed, so that Helm goes on from it.
func (s *records) noteInterrupted(h History, version int) error {
	r, err := s.revision(version)
	if err != nil {
		return fmt.Errorf("reading revision %d: %w", version, err)
	}
	for _, known := range h {
		if known.Version == version && known.Digest != "" {
			s.state = known
			s.state.Interrupted = true
		}
	}
	was := r.Info.Status
	r.SetStatus(release.StatusFailed, fmt.Sprintf("Interrupted: it was left %s by a Helm that was killed", was))
	r.Info.Deleted = helmtime.Time{}
	if err := s.Update(key(s.name, version), r); err != nil {
		return fmt.Errorf("noting that revision %d was interrupted: %w", version, err)
	}
	s.state = Revision{}
	return nil
}

// failed marks the last revision as failed for a reason that comes after Helm was done with it.
func (s *records) failed(reason string) error {
	last := s.history[len(s.history)-1].Version
	r, err := s.revision(last)
	if err != nil {
		return err
	}
	r.SetStatus(release.StatusFailed, strings.TrimSpace(reason))
	return s.Update(key(s.name, last), r)
}
