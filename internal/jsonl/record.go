package jsonl

import (
	"encoding/json"
	"time"
)

// Version is the major version of the stream, written in every begin record.
// Within a version fields and types are only ever added.
const Version = 1

// Type names what a record says. A reader passes unknown types on unchanged.
type Type string

// The record types of version 1.
const (
	TypeBegin    Type = "begin"
	TypeSource   Type = "source"
	TypeManifest Type = "manifest"
	TypeImage    Type = "image"
	TypePick     Type = "pick"
	TypeCommit   Type = "commit"
	TypeApply    Type = "apply"
	TypeRelease  Type = "release"
	TypeError    Type = "error"
	TypeEnd      Type = "end"
)

// Begin is the first record of every stage, written before the first passed-on line,
// so that a stage that dies half-way leaves a begin without its end.
type Begin struct {
	Type Type `json:"type"`
	// Stage is the name of the program that writes, for example "git-fetch".
	Stage string `json:"stage"`
	// V is the major version of the stream; a reader that knows another one stops.
	V int `json:"v"`
	// Version is the version of the program.
	Version string `json:"version"`
	// Started is the time at which the stage started, in UTC. For git-fetch it is the time
	// by which a later stage tells an older fetch from a newer one.
	Started time.Time `json:"started"`
	// Run is the pipeline's run id (SLUICE_RUN); absent when a stage was run by itself.
	Run string `json:"run,omitempty"`
}

// Source is one repository at one commit.
type Source struct {
	Type Type `json:"type"`
	// Name is the source's identity: URL, branch and paths may change, the name stays.
	Name string `json:"name"`
	// URL is the address as configured, never with a credential.
	URL string `json:"url"`
	// Branch is the short name of the branch that was fetched.
	Branch string `json:"branch"`
	// Revision is the commit, 40 hexadecimal digits.
	Revision string `json:"revision"`
	// Tree is the commit's tree, 40 hexadecimal digits.
	Tree string `json:"tree"`
	// Paths are the folders or files that were read, slash-separated and relative to the
	// top of the repository; absent when all of it was.
	Paths []string `json:"paths,omitempty"`
	// Store is the absolute path of the bare repository that holds the commit's objects.
	Store string `json:"store"`
	// Signature is the verdict on the commit's signature.
	Signature Signature `json:"signature"`
}

// Signature is the verdict on a commit's signature.
type Signature string

// The verdicts on a signature.
const (
	SignatureUnchecked Signature = "unchecked"
	SignatureGood      Signature = "good"
	SignatureBad       Signature = "bad"
)

// Place says where in a source a thing is written. It is part of several records.
type Place struct {
	// Source is the name of the source.
	Source string `json:"source"`
	// File is slash-separated and relative to the top of the repository.
	File string `json:"file"`
	// Doc is the index of the YAML document in the file, from 0.
	Doc int `json:"doc"`
	// Item is the index in the document's items, from 0; absent unless the document is a list.
	Item *int `json:"item,omitempty"`
	// Line is the line in the file at which the object starts, from 1.
	Line int `json:"line"`
}

// Manifest is one Kubernetes object as a file of a source holds it.
type Manifest struct {
	Type Type `json:"type"`
	Place
	// ID names the object for people, see [ID.String]. Programs read the object.
	ID string `json:"id"`
	// Object is the object; integers are exact, keys sorted.
	Object json.RawMessage `json:"object"`
	// Sum is the [Sum] of the object as its writer wrote it. Where it is off, the object was
	// transformed on the way.
	Sum string `json:"sum"`
	// Planned marks an object that stands in no commit yet: a dry run wrote it.
	Planned bool `json:"planned,omitempty"`
}

// Image is one container image of one manifest, and what its registry holds.
type Image struct {
	Type Type `json:"type"`
	Place
	// ID names the object, as in [Manifest].
	ID string `json:"id"`
	// Container is the container's name; for a HelmRelease "chart-image", the key of the
	// value that holds the image, or the name that an annotation gives it.
	Container string `json:"container"`
	// Fields are the scalars that together make the reference.
	Fields []Field `json:"fields"`
	// Ref is the reference as it is written now, joined from the fields.
	Ref string `json:"ref"`
	// Repository is the canonical name, for example index.docker.io/library/alpine.
	Repository string `json:"repository"`
	// Policy is kind:pattern, kind being glob, semver, regexp, alphabetical or numerical. "glob:*" when
	// none is written.
	Policy string `json:"policy"`
	// PolicyKey is the key of the annotation that the policy was read from; absent when none is written.
	PolicyKey string `json:"policyKey,omitempty"`
	// MinAge is the age below which a tag is not to be taken, as Go writes durations ("24h0m0s"); absent
	// when any age will do.
	MinAge string `json:"minAge,omitempty"`
	// Automated, Locked and Ignored are the workload's policies of these names.
	Automated bool `json:"automated"`
	Locked    bool `json:"locked"`
	Ignored   bool `json:"ignored"`
	// Tags are the repository's tags, sorted by name; absent when it was not scanned.
	Tags []Tag `json:"tags,omitempty"`
	// Whole says that every page of the tag list was read. A tag is chosen from nothing less.
	Whole bool `json:"whole"`
	// Fault says why the list is not whole; absent when it is, or was not asked for.
	Fault string `json:"fault,omitempty"`
}

// Field is one YAML scalar that holds an image reference or a part of one.
type Field struct {
	// Role is the part that the scalar holds.
	Role Role `json:"role"`
	// Path leads from the top of the object to the scalar: strings are keys, integers indexes.
	Path []any `json:"path"`
	// Value is the scalar's text.
	Value string `json:"value"`
}

// Role is the part of an image reference that a [Field] holds.
type Role string

// The parts of an image reference. RoleImage may carry registry, tag and digest, RoleRepository too
// where no field of their own exists, and RoleTag a digest after its tag.
const (
	RoleImage      Role = "image"
	RoleRegistry   Role = "registry"
	RoleRepository Role = "repository"
	RoleTag        Role = "tag"
	RoleDigest     Role = "digest"
)

// Tag is one tag of an image repository.
type Tag struct {
	Name string `json:"name"`
	// Digest is what the tag names: the digest of an image manifest or of an index; absent unless it
	// was needed, as for an image that is pinned to a digest.
	Digest string `json:"digest,omitempty"`
	// Created is the image's creation time in UTC; absent unless the policy orders by time or the
	// tag's age counts.
	Created *time.Time `json:"created,omitempty"`
	// Fault says why the tag has no metadata although it was needed.
	Fault string `json:"fault,omitempty"`
	// Passing marks a fault that may be gone at the next try.
	Passing bool `json:"passing,omitempty"`
}

// Pick is the decision for one [Image]; never a silent no-op.
type Pick struct {
	Type Type `json:"type"`
	Place
	// ID names the object, Container its container, Fields its scalars, Policy its policy, as in [Image].
	ID        string  `json:"id"`
	Container string  `json:"container"`
	Fields    []Field `json:"fields"`
	Policy    string  `json:"policy,omitempty"`
	// From and To are whole references. They are equal when nothing changes.
	From string `json:"from"`
	To   string `json:"to"`
	// Changed says that From is to be replaced by To.
	Changed bool `json:"changed"`
	// Reason says why.
	Reason Reason `json:"reason"`
	// Message explains the reason in a sentence; absent where the reason says it all.
	Message string `json:"message,omitempty"`
	// Available is the reference that the policy chooses where the pick leaves the image only because
	// the workload is locked, or nobody asked for updates; absent otherwise.
	Available string `json:"available,omitempty"`
	// Candidates are all tags of the repository and what became of each, best first; absent unless
	// pick-tag was asked to explain.
	Candidates []Candidate `json:"candidates,omitempty"`
}

// Candidate is one tag of a repository as a policy saw it.
type Candidate struct {
	Tag     string           `json:"tag"`
	Verdict CandidateVerdict `json:"verdict"`
	// Created is the creation time, where it was known.
	Created *time.Time `json:"created,omitempty"`
	// Message says more where the verdict does not say it all.
	Message string `json:"message,omitempty"`
}

// CandidateVerdict is what a policy made of one tag.
type CandidateVerdict string

// The verdicts on a tag.
const (
	CandidateChosen     CandidateVerdict = "chosen"      // the best; it may be the current one
	CandidateOlder      CandidateVerdict = "older"       // matches, and stands below the chosen one
	CandidateTooYoung   CandidateVerdict = "too-young"   // matches, and is younger than the age asked for
	CandidateNoMetadata CandidateVerdict = "no-metadata" // matches, and what the policy needs to know of it is not known
	CandidatePreRelease CandidateVerdict = "pre-release" // left out only because the constraint names no pre-release
	CandidateNotSemver  CandidateVerdict = "not-semver"  // reads as no version
	CandidateFiltered   CandidateVerdict = "filtered"    // does not match
)

// Reason says why a pick changes an image or leaves it.
type Reason string

// The reasons of pick-tag. A custom stage may write words of its own.
const (
	ReasonNewer        Reason = "newer"         // To stands above From in the policy's order
	ReasonCurrent      Reason = "current"       // From is already the best match
	ReasonReplaced     Reason = "replaced"      // From has no place in the policy's order, To is the best match
	ReasonNotAutomated Reason = "not-automated" // nobody asked for updates
	ReasonLocked       Reason = "locked"        // the workload is locked
	ReasonIgnored      Reason = "ignored"       // the workload is ignored
	ReasonNotWhole     Reason = "not-whole"     // the tag list is not whole
	ReasonNoMatch      Reason = "no-match"      // no tag matches the policy
	ReasonNoMetadata   Reason = "no-metadata"   // of a tag that could win, something that is needed is not known for now
	ReasonTooYoung     Reason = "too-young"     // every tag that could win is younger than the age asked for
	ReasonRetagged     Reason = "retagged"      // the tag stays, and now names another digest: To has that
	ReasonOlder        Reason = "older"         // the best match stands below From: a downgrade
	ReasonPolicy       Reason = "bad-policy"    // the policy does not parse
	ReasonPinned       Reason = "pinned"        // From names a digest and no tag
)

// Commit is one commit that bump-yaml made, or, planned, would make.
type Commit struct {
	Type Type `json:"type"`
	// Source is the name of the source whose branch was committed to.
	Source string `json:"source"`
	// Branch is the branch that was pushed.
	Branch string `json:"branch"`
	// Base is the branch that the source was fetched from, where another was pushed for review;
	// absent when it is Branch.
	Base string `json:"base,omitempty"`
	// Revision is the new commit; absent under a dry run.
	Revision string `json:"revision,omitempty"`
	// Parent is the commit that it stands on.
	Parent string `json:"parent"`
	// Pushed says that the remote's branch was read back at Revision.
	Pushed bool `json:"pushed"`
	// Planned marks a dry run.
	Planned bool `json:"planned,omitempty"`
	// Message is the commit's message.
	Message string `json:"message"`
	// Edits are the changed scalars, by file and line.
	Edits []Edit `json:"edits"`
}

// Edit is one changed scalar.
type Edit struct {
	File string `json:"file"`
	// Line is the scalar's line, from 1.
	Line int `json:"line"`
	// ID names the workload.
	ID string `json:"id"`
	// Container is the container whose image changes; absent where an annotation does.
	Container string `json:"container,omitempty"`
	// Annotation is the key of the annotation that changes; absent where an image does.
	Annotation string `json:"annotation,omitempty"`
	// Old and New are the scalar's text before and after; empty where there was, or is, none.
	Old string `json:"old"`
	New string `json:"new"`
}

// Apply is what kapply did with one object.
type Apply struct {
	Type Type `json:"type"`
	// Source is the source that the object came from, or, pruned, belonged to.
	Source string `json:"source"`
	// ID names the object for people; the four fields after it are its identity.
	ID        string `json:"id"`
	Group     string `json:"group"`
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	// Action is what happened, or, under a dry run, would.
	Action ApplyAction `json:"action"`
	// DryRun marks a record of a dry run.
	DryRun bool `json:"dryRun,omitempty"`
	// Transformed says that the object is not as its writer wrote it: a stage changed it on the way.
	Transformed bool `json:"transformed,omitempty"`
	// Drift is what others had changed of the object and was put right, or, under a dry run, would
	// be; absent where nothing was.
	Drift []Drift `json:"drift,omitempty"`
	// Message says why an object was skipped or failed, what it waits for, or what else happened to it.
	Message string `json:"message,omitempty"`
}

// Drift is a change that somebody else made to an object.
type Drift struct {
	// Manager is the field manager that owned the fields; absent where nobody did: they were removed.
	Manager string `json:"manager,omitempty"`
	// Fields are spelt as the API server does, for example .spec.replicas or
	// .spec.template.spec.containers[name="web"].image, sorted. Empty where it is not known which:
	// somebody applied the object in our name.
	Fields []string `json:"fields"`
}

// ApplyAction is what happened to an object.
type ApplyAction string

// The actions of kapply.
const (
	Created    ApplyAction = "created"
	Configured ApplyAction = "configured"
	Unchanged  ApplyAction = "unchanged"
	Pruned     ApplyAction = "pruned"
	Skipped    ApplyAction = "skipped"
	Failed     ApplyAction = "failed"
)

// Release is what helm-reconcile did with one Helm release.
type Release struct {
	Type Type `json:"type"`
	// Source is the source that the HelmRelease came from, or belonged to.
	Source string `json:"source"`
	// ID names the HelmRelease for people.
	ID string `json:"id"`
	// Release and Namespace name the Helm release.
	Release   string `json:"release"`
	Namespace string `json:"namespace"`
	// Action is what happened, or, under a dry run, would.
	Action ReleaseAction `json:"action"`
	// DryRun marks a record of a dry run.
	DryRun bool `json:"dryRun,omitempty"`
	// Chart and Version name the chart; absent when it could not be loaded or is not needed.
	Chart   string `json:"chart,omitempty"`
	Version string `json:"version,omitempty"`
	// ChartRevision is the commit of a chart from git, or the manifest's digest of one from a registry.
	ChartRevision string `json:"chartRevision,omitempty"`
	// Revision is Helm's revision of the release after the action; absent when there is none.
	Revision int `json:"revision,omitempty"`
	// Message says why.
	Message string `json:"message,omitempty"`
}

// ReleaseAction is what happened to a Helm release.
type ReleaseAction string

// The actions of helm-reconcile.
const (
	ReleaseInstalled  ReleaseAction = "installed"
	ReleaseUpgraded   ReleaseAction = "upgraded"
	ReleaseUnchanged  ReleaseAction = "unchanged"
	ReleaseRolledBack ReleaseAction = "rolled-back"
	// ReleaseTested says that only the chart's tests had to be run.
	ReleaseTested ReleaseAction = "tested"
	// ReleaseDrifted says that the release is as wanted, and that somebody has changed its objects.
	ReleaseDrifted ReleaseAction = "drifted"
	// ReleaseCorrected says that they were brought back to what the release says.
	ReleaseCorrected   ReleaseAction = "corrected"
	ReleaseUninstalled ReleaseAction = "uninstalled"
	ReleaseBlocked     ReleaseAction = "blocked"
	ReleaseFailed      ReleaseAction = "failed"
)

// Error is a failure, and what to do about it.
type Error struct {
	Type Type `json:"type"`
	// Stage is the program that failed.
	Stage string `json:"stage"`
	// Code is a stable word for programs, for example "bad-yaml".
	Code string `json:"code"`
	// Message says what failed, without the place, which stands in the fields below.
	Message string `json:"message"`
	// Source, File and Line say where; absent when the failure has no such place.
	Source string `json:"source,omitempty"`
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	// ID names the object concerned; absent when there is none.
	ID string `json:"id,omitempty"`
	// Hint says what to do about it.
	Hint string `json:"hint,omitempty"`
}

// End is the last record of every stage. Its absence says that the stage died.
type End struct {
	Type Type `json:"type"`
	// Stage is the stage whose begin this closes.
	Stage string `json:"stage"`
	// OK is false when anything failed.
	OK bool `json:"ok"`
	// Complete is false when records are missing that belong in the stream: those of the
	// sources in Incomplete, or, when that is empty, of any source.
	Complete   bool     `json:"complete"`
	Incomplete []string `json:"incomplete,omitempty"`
	// Counts says for each source how many manifests this stage wrote and took out.
	Counts map[string]Count `json:"counts,omitempty"`
	// Totals counts this stage's results by action or reason, for people.
	Totals map[string]int `json:"totals,omitempty"`
	// Finished is the time at which the stage finished, in UTC.
	Finished time.Time `json:"finished"`
}

// Count is how many manifests of one source a stage wrote and took out.
type Count struct {
	Wrote int `json:"wrote"`
	Took  int `json:"took"`
}
