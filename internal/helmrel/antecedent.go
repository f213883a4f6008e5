package helmrel

import (
	"fmt"
	"strings"
)

// Antecedent is on every object of a release and names its HelmRelease, as the Helm Operator has it:
// <namespace>:helmrelease/<name>. It can only prevent a change: an object that names another
// HelmRelease is neither changed nor deleted; one that names ours, or none, is judged by the records.
const Antecedent = "helm.fluxcd.io/antecedent"

// antecedent is the annotation's value for a HelmRelease.
func antecedent(id ID) string { return id.Namespace + ":helmrelease/" + id.Name }

// releaseAnnotations are those by which Helm itself says whose an object is.
var releaseAnnotations = struct{ name, namespace string }{"meta.helm.sh/release-name", "meta.helm.sh/release-namespace"}

// TakenError says that objects of a release are somebody else's. Nothing was changed.
type TakenError struct {
	Objects []string // for people, sorted
	By      string   // whose the first of them is
}

func (e *TakenError) Error() string {
	more := ""
	if n := len(e.Objects) - 1; n > 0 {
		more = fmt.Sprintf(", and %d more of its objects,", n)
	}
	return fmt.Sprintf("%s%s belongs to %s", e.Objects[0], more, e.By)
}

const takenHint = "give each HelmRelease objects of its own; kubectl get shows the annotations that name the owner"

// takenBy says who else an object belongs to by its annotations; nothing where it may be ours. left
// reports whether another HelmRelease is gone for good, so that its objects pass on.
func takenBy(annotations map[string]string, mine ID, release ReleaseID, left func(ID) bool) string {
	if value := annotations[Antecedent]; value != "" && value != antecedent(mine) {
		namespace, rest, _ := strings.Cut(value, ":")
		name, known := strings.CutPrefix(rest, "helmrelease/")
		if !known || left == nil || !left(ID{namespace, name}) {
			return "HelmRelease " + namespace + "/" + strings.TrimPrefix(rest, "helmrelease/")
		}
	}
	name, namespace := annotations[releaseAnnotations.name], annotations[releaseAnnotations.namespace]
	if name != "" && (ReleaseID{namespace, name}) != release {
		return "release " + namespace + "/" + name
	}
	return ""
}
