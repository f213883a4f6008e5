package helmrel

import (
	"encoding/json"
	"time"
)

// Kind is the kind that this package reads.
const Kind = "HelmRelease"

// The groups and versions that are read. Their bodies are the same.
const (
	APIVersion       = "helm.fluxcd.io/v1"
	LegacyAPIVersion = "flux.weave.works/v1beta1"
)

// HelmRelease is one object of kind HelmRelease.
type HelmRelease struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   Metadata `json:"metadata"`
	Spec       Spec     `json:"spec"`
}

// Metadata is what is read of an object's metadata.
type Metadata struct {
	Name        string            `json:"name"`
	Namespace   string            `json:"namespace"`
	Annotations map[string]string `json:"annotations"`
}

// Spec is the wish: a chart, values, and how Helm is to be used. Field meanings and defaults are those
// of the Helm Operator; the methods give the defaults. DisableOpenAPIValidation has no effect: the API
// server checks the objects.
type Spec struct {
	HelmVersion              string          `json:"helmVersion"`
	Chart                    ChartSource     `json:"chart"`
	ReleaseName              string          `json:"releaseName"`
	TargetNamespace          string          `json:"targetNamespace"`
	MaxHistory               *int            `json:"maxHistory"`
	ValueFileSecrets         []LocalRef      `json:"valueFileSecrets"`
	ValuesFrom               []ValuesFrom    `json:"valuesFrom"`
	Values                   json.RawMessage `json:"values"`
	Timeout                  *int64          `json:"timeout"`
	Wait                     *bool           `json:"wait"`
	ForceUpgrade             bool            `json:"forceUpgrade"`
	ResetValues              *bool           `json:"resetValues"`
	SkipCRDs                 bool            `json:"skipCRDs"`
	DisableOpenAPIValidation bool            `json:"disableOpenAPIValidation"`
	Rollback                 Rollback        `json:"rollback"`
	Test                     Test            `json:"test"`
}

// ChartSource names a chart: in git (Git and Path, at Ref) or in a Helm repository (Repository, Name
// and Version). Git wins where both are given.
type ChartSource struct {
	Git             string     `json:"git"`
	Path            string     `json:"path"`
	Ref             string     `json:"ref"`
	SecretRef       *ObjectRef `json:"secretRef"`
	SkipDepUpdate   bool       `json:"skipDepUpdate"`
	Repository      string     `json:"repository"`
	Name            string     `json:"name"`
	Version         string     `json:"version"`
	ChartPullSecret *LocalRef  `json:"chartPullSecret"`
}

// LocalRef names an object in the HelmRelease's namespace.
type LocalRef struct {
	Name string `json:"name"`
}

// ObjectRef names an object; without a namespace it is in the HelmRelease's.
type ObjectRef struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
}

// ValuesFrom is one source of values: the first of the four that is set.
type ValuesFrom struct {
	ConfigMapKeyRef   *KeyRef      `json:"configMapKeyRef"`
	SecretKeyRef      *KeyRef      `json:"secretKeyRef"`
	ExternalSourceRef *ExternalRef `json:"externalSourceRef"`
	ChartFileRef      *FileRef     `json:"chartFileRef"`
}

// KeyRef names a key of a ConfigMap or Secret; the key's default is values.yaml.
type KeyRef struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
	Key       string `json:"key"`
	Optional  bool   `json:"optional"`
}

// ExternalRef names a URL that holds values.
type ExternalRef struct {
	URL      string `json:"url"`
	Optional bool   `json:"optional"`
}

// FileRef names a file of the chart.
type FileRef struct {
	Path     string `json:"path"`
	Optional bool   `json:"optional"`
}

// Rollback says what happens after a failed upgrade.
type Rollback struct {
	Enable       bool   `json:"enable"`
	Retry        bool   `json:"retry"`
	MaxRetries   *int   `json:"maxRetries"`
	Force        bool   `json:"force"`
	Recreate     bool   `json:"recreate"`
	DisableHooks bool   `json:"disableHooks"`
	Timeout      *int64 `json:"timeout"`
	Wait         bool   `json:"wait"`
}

// Test says whether the chart's tests are run after an install or upgrade.
type Test struct {
	Enable         bool   `json:"enable"`
	IgnoreFailures bool   `json:"ignoreFailures"`
	Timeout        *int64 `json:"timeout"`
	Cleanup        *bool  `json:"cleanup"`
}

// Defaults of the Helm Operator.
const (
	DefaultRef        = "master"
	DefaultMaxHistory = 10
	DefaultTimeout    = 300 * time.Second
	DefaultMaxRetries = 5
	defaultValuesKey  = "values.yaml"
)

// ID is the HelmRelease's identity, whichever of the groups it was read from.
type ID struct{ Namespace, Name string }

// String is namespace/name.
func (id ID) String() string { return id.Namespace + "/" + id.Name }

// ReleaseID is the identity of a Helm release.
type ReleaseID struct{ Namespace, Name string }

// String is namespace/name.
func (id ReleaseID) String() string { return id.Namespace + "/" + id.Name }

// ID is the object's identity.
func (h *HelmRelease) ID() ID { return ID{h.Metadata.Namespace, h.Metadata.Name} }

// Release is the identity of the Helm release that h asks for. The default name is
// <namespace>-<name>, or <namespace>-<target namespace>-<name> where the two differ.
func (h *HelmRelease) Release() ReleaseID {
	namespace := h.Metadata.Namespace
	target := h.Spec.TargetNamespace
	if target == "" {
		target = namespace
	}
	name := h.Spec.ReleaseName
	switch {
	case name != "":
	case target != namespace:
		name = namespace + "-" + target + "-" + h.Metadata.Name
	default:
		name = namespace + "-" + h.Metadata.Name
	}
	return ReleaseID{target, name}
}

// FromGit reports whether the chart is one in git.
func (c ChartSource) FromGit() bool { return c.Git != "" && c.Path != "" }

// GitRef is the branch, tag or commit of a chart in git.
func (c ChartSource) GitRef() string {
	if c.Ref == "" {
		return DefaultRef
	}
	return c.Ref
}

// HelmTimeout limits one Helm action.
func (s Spec) HelmTimeout() time.Duration { return seconds(s.Timeout) }

// HelmTimeout limits a rollback.
func (r Rollback) HelmTimeout() time.Duration { return seconds(r.Timeout) }

// HelmWait says whether an action waits until the release's objects are ready; unset it does when
// the outcome decides about a rollback or a test.
func (s Spec) HelmWait() bool {
	if s.Wait == nil {
		return s.Rollback.Enable || s.Test.Enable
	}
	return *s.Wait
}

// Reset says whether an upgrade starts from the chart's values and not from the last release's.
func (s Spec) Reset() bool { return s.ResetValues == nil || *s.ResetValues }

// History is how many revisions Helm keeps; 0 is all.
func (s Spec) History() int {
	if s.MaxHistory == nil {
		return DefaultMaxHistory
	}
	return *s.MaxHistory
}

// Retries is how often a failed upgrade that was rolled back is tried anew with nothing changed: none
// without retry, and -1, no limit, for maxRetries 0.
func (r Rollback) Retries() int {
	switch {
	case !r.Enable || !r.Retry:
		return 0
	case r.MaxRetries == nil:
		return DefaultMaxRetries
	case *r.MaxRetries == 0:
		return -1
	default:
		return *r.MaxRetries
	}
}

func seconds(n *int64) time.Duration {
	if n == nil {
		return DefaultTimeout
	}
	return time.Duration(*n) * time.Second
}

// Groups are the API groups that HelmReleases are read of, the current one first.
func Groups() []string { return []string{"helm.fluxcd.io", "flux.weave.works"} }

// Is reports whether an object of this apiVersion and kind is one that [Parse] reads.
func Is(apiVersion, kind string) bool {
	return kind == Kind && (apiVersion == APIVersion || apiVersion == LegacyAPIVersion)
}
