package helmrel

import (
	"fmt"
	"slices"
	"time"
	"unicode/utf8"
)

// Status is the status of a HelmRelease, with the fields of the Helm Operator.
type Status struct {
	// ObservedGeneration is the generation of the object that the last run has seen.
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	Phase              Phase `json:"phase,omitempty"`
	// ReleaseName and ReleaseStatus are the Helm release's name and Helm's word for its last revision.
	ReleaseName   string `json:"releaseName,omitempty"`
	ReleaseStatus string `json:"releaseStatus,omitempty"`
	// Revision is the chart's commit or version of the last success, LastAttemptedRevision that of the
	// last install or upgrade.
	Revision              string `json:"revision,omitempty"`
	LastAttemptedRevision string `json:"lastAttemptedRevision,omitempty"`
	// RollbackCount is how often the release was rolled back since it was as wanted.
	RollbackCount int64       `json:"rollbackCount,omitempty"`
	Conditions    []Condition `json:"conditions,omitempty"`
}

// Condition is one aspect of a HelmRelease. Times are of RFC 3339; that of the transition is kept as long
// as Status stays.
type Condition struct {
	Type               string `json:"type"`
	Status             string `json:"status"` // True, False or Unknown
	LastUpdateTime     string `json:"lastUpdateTime,omitempty"`
	LastTransitionTime string `json:"lastTransitionTime,omitempty"`
	Reason             string `json:"reason,omitempty"`
	Message            string `json:"message,omitempty"`
}

// The types of conditions. Ready is not the Helm Operator's: it says the same as Released, in the word
// that kubectl wait and others know.
const (
	conditionChartFetched = "ChartFetched"
	conditionDeployed     = "Deployed"
	conditionTested       = "Tested"
	conditionReleased     = "Released"
	conditionRolledBack   = "RolledBack"
	conditionReady        = "Ready"
)

// Phase is how far a HelmRelease has come.
type Phase string

// The phases, which are the reasons of conditions too. ChartFetched, Deployed, Tested and Ready are only
// that: a run passes through them on its way.
const (
	PhaseChartFetched     Phase = "ChartFetched"
	PhaseChartFetchFailed Phase = "ChartFetchFailed"
	PhaseInstalling       Phase = "Installing"
	PhaseUpgrading        Phase = "Upgrading"
	PhaseDeployed         Phase = "Deployed"
	PhaseDeployFailed     Phase = "DeployFailed"
	PhaseTesting          Phase = "Testing"
	PhaseTested           Phase = "Tested"
	PhaseTestFailed       Phase = "TestFailed"
	PhaseSucceeded        Phase = "Succeeded"
	PhaseFailed           Phase = "Failed"
	PhaseRollingBack      Phase = "RollingBack"
	PhaseRolledBack       Phase = "RolledBack"
	PhaseRollbackFailed   Phase = "RollbackFailed"
)

// what are the words of a phase in a condition's message.
var what = map[Phase]string{
	PhaseChartFetched:     "The chart was fetched",
	PhaseChartFetchFailed: "The chart cannot be had",
	PhaseInstalling:       "The installation is under way",
	PhaseUpgrading:        "The upgrade is under way",
	PhaseDeployed:         "The installation or upgrade succeeded",
	PhaseDeployFailed:     "The installation or upgrade failed",
	PhaseTesting:          "The tests are running",
	PhaseTested:           "The tests passed",
	PhaseTestFailed:       "The tests failed",
	PhaseSucceeded:        "All is as wanted",
	PhaseFailed:           "The release cannot be made",
	PhaseRollingBack:      "The rollback is under way",
	PhaseRolledBack:       "The rollback succeeded",
	PhaseRollbackFailed:   "The rollback failed",
}

const (
	yes     = "True"
	no      = "False"
	unknown = "Unknown"
)

// step is one phase that is reached, with what is known of it.
type step struct {
	phase   Phase
	release ReleaseID
	detail  string // why, of a failure
	now     time.Time
}

// set gives a condition a status; a time is only touched where something else is.
func (s *Status) set(conditionType, status string, reason Phase, at step) {
	message := fmt.Sprintf("%s for Helm release '%s' in '%s'.", what[reason], at.release.Name, at.release.Namespace)
	if at.release.Name == "" {
		message = what[reason] + "."
	}
	if at.detail != "" && status != yes {
		message = shorten(message[:len(message)-1] + ": " + at.detail)
	}
	now := at.now.UTC().Format(time.RFC3339)
	i := slices.IndexFunc(s.Conditions, func(c Condition) bool { return c.Type == conditionType })
	if i < 0 {
		s.Conditions = append(s.Conditions, Condition{Type: conditionType, LastTransitionTime: now})
		i = len(s.Conditions) - 1
	}
	c := &s.Conditions[i]
	if c.Status == status && c.Reason == string(reason) && c.Message == message {
		return
	}
	if c.Status != status {
		c.LastTransitionTime = now
	}
	c.Status, c.Reason, c.Message, c.LastUpdateTime = status, string(reason), message, now
}

// maxMessage is the longest message of a condition or an event, in bytes.
const maxMessage = 1000

func shorten(text string) string {
	if len(text) <= maxMessage {
		return text
	}
	text = text[:maxMessage]
	for !utf8.ValidString(text) {
		text = text[:len(text)-1]
	}
	return text + "…"
}

func (s *Status) drop(conditionType string) {
	s.Conditions = slices.DeleteFunc(s.Conditions, func(c Condition) bool { return c.Type == conditionType })
}

// is reports whether a condition has a status.
func (s *Status) is(conditionType, status string) bool {
	return slices.ContainsFunc(s.Conditions, func(c Condition) bool { return c.Type == conditionType && c.Status == status })
}

// effects are the conditions that a phase sets, with those of the phases that were passed before it.
var effects = map[Phase][]struct {
	condition, status string
	reason            Phase
}{
	PhaseChartFetchFailed: {{conditionChartFetched, no, PhaseChartFetchFailed}, {conditionReleased, no, PhaseChartFetchFailed}},
	PhaseInstalling:       {{conditionChartFetched, yes, PhaseChartFetched}, {conditionDeployed, unknown, PhaseInstalling}},
	PhaseUpgrading:        {{conditionChartFetched, yes, PhaseChartFetched}, {conditionDeployed, unknown, PhaseUpgrading}},
	PhaseDeployFailed:     {{conditionChartFetched, yes, PhaseChartFetched}, {conditionDeployed, no, PhaseDeployFailed}, {conditionReleased, no, PhaseDeployFailed}},
	PhaseTesting:          {{conditionChartFetched, yes, PhaseChartFetched}, {conditionDeployed, yes, PhaseDeployed}, {conditionTested, unknown, PhaseTesting}},
	PhaseTestFailed:       {{conditionDeployed, yes, PhaseDeployed}, {conditionTested, no, PhaseTestFailed}, {conditionReleased, no, PhaseTestFailed}},
	PhaseSucceeded:        {{conditionChartFetched, yes, PhaseChartFetched}, {conditionDeployed, yes, PhaseDeployed}, {conditionReleased, yes, PhaseSucceeded}},
	PhaseFailed:           {{conditionReleased, no, PhaseFailed}},
	PhaseRollingBack:      {{conditionRolledBack, unknown, PhaseRollingBack}},
	PhaseRolledBack:       {{conditionReleased, no, PhaseRolledBack}, {conditionRolledBack, yes, PhaseRolledBack}},
	PhaseRollbackFailed:   {{conditionReleased, no, PhaseRollbackFailed}, {conditionRolledBack, no, PhaseRollbackFailed}},
}

// reach notes that a phase was reached.
func (s *Status) reach(at step) {
	wasBack := s.is(conditionRolledBack, yes)
	for _, e := range effects[at.phase] {
		s.set(e.condition, e.status, e.reason, at)
	}
	switch at.phase {
	case PhaseInstalling, PhaseUpgrading:
		s.drop(conditionTested) // that of another revision
		s.set(conditionReady, unknown, at.phase, at)
	case PhaseTesting, PhaseRollingBack:
		s.set(conditionReady, unknown, at.phase, at)
	case PhaseSucceeded:
		s.drop(conditionRolledBack)
		s.RollbackCount = 0
		s.set(conditionReady, yes, at.phase, at)
	default:
		s.set(conditionReady, no, at.phase, at)
	}
	if at.phase == PhaseRolledBack && !wasBack {
		s.RollbackCount++
	}
	s.Phase = at.phase
}

// failing reports whether the status tells of an attempt that failed.
func (s *Status) failing() bool {
	return slices.Contains([]Phase{PhaseDeployFailed, PhaseTestFailed, PhaseRolledBack, PhaseRollbackFailed}, s.Phase)
}
