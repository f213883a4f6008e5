package helmrel

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Labels of a release's records. Helm copies labels on to the next revision, also in an upgrade or
// rollback by hand, so the digest's label names the revision that it was written for.
const (
	LabelDigest    = "sluice.dev/digest"      // v<revision>-<40 hexadecimal digits>
	LabelOwner     = "sluice.dev/helmrelease" // <namespace>.<name>
	LabelInventory = "sluice.dev/inventory"   // <namespace>.<name>
	LabelState     = "sluice.dev/state"       // v<revision>-<attempt>, and of -back, -interrupted, -test-<outcome> what is so
)

// digestLength keeps the label under the 63 characters that Kubernetes allows.
const digestLength = 40

// maxLabel is the longest value of a label.
const maxLabel = 63

// Digest is over all that makes a release what it is: the chart's bytes, the values, and those options
// that bear on what Helm does or on whether it succeeds, so that a release that failed is tried anew
// when one of them changes.
func Digest(chart *Chart, values Values, spec Spec) (string, error) {
	canonical, err := json.Marshal(map[string]any{
		"chart":        chart.Digest,
		"values":       values,
		"timeout":      spec.HelmTimeout().Seconds(),
		"wait":         spec.HelmWait(),
		"resetValues":  spec.Reset(),
		"forceUpgrade": spec.ForceUpgrade,
		"skipCRDs":     spec.SkipCRDs,
	})
	if err != nil {
		return "", fmt.Errorf("digesting values: %w", err)
	}
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:])[:digestLength], nil
}

func digestLabel(revision int, digest string) string {
	return "v" + strconv.Itoa(revision) + "-" + digest
}

// ownDigest reads a digest label; it is empty unless the label was written for this revision.
func ownDigest(label string, revision int) string {
	digest, ok := strings.CutPrefix(label, "v"+strconv.Itoa(revision)+"-")
	if !ok {
		return ""
	}
	return digest
}

// revisionOf reads a release record's labels. The fields that speak of one revision are empty where the
// label was written for another, from which Helm copied it.
func revisionOf(version int, labels map[string]string, created time.Time) Revision {
	r := Revision{
		Version: version, Status: labels["status"], Digest: ownDigest(labels[LabelDigest], version),
		Owner: labels[LabelOwner], Inventory: labels[LabelInventory], Since: created,
	}
	for _, name := range []string{"createdAt", "modifiedAt"} {
		if seconds, err := strconv.ParseInt(labels[name], 10, 64); err == nil && seconds > r.Since.Unix() {
			r.Since = time.Unix(seconds, 0)
		}
	}
	if r.Digest == "" {
		return r
	}
	words := strings.Split(ownDigest(labels[LabelState], version), "-")
	r.Attempt, _ = strconv.Atoi(words[0])
	for i, word := range words {
		switch {
		case word == "back":
			r.Back = true
		case word == "interrupted":
			r.Interrupted = true
		case word == "test" && i+1 < len(words):
			r.Test = TestOutcome(words[i+1])
		}
	}
	return r
}

// stateLabel is what revisionOf reads.
func (r Revision) stateLabel() string {
	label := fmt.Sprintf("v%d-%d", r.Version, r.Attempt)
	if r.Back {
		label += "-back"
	}
	if r.Interrupted {
		label += "-interrupted"
	}
	if r.Test != "" {
		label += "-test-" + string(r.Test)
	}
	return label
}

// labelOf is an identity as the value of a label: namespace.name, or where that is too long a digest
// of it after the namespace's first letters. A namespace holds no dot, so two identities never meet.
func labelOf(namespace, name string) string {
	plain := namespace + "." + name
	if len(plain) <= maxLabel {
		return plain
	}
	sum := sha256.Sum256([]byte(plain))
	return "x-" + hex.EncodeToString(sum[:])[:digestLength]
}
