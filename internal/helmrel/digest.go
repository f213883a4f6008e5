package helmrel

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Labels of a release's records. Helm copies labels on to the next revision, also in an upgrade or
// rollback by hand, so the digest's label names the revision that it was written for.
const (
	LabelDigest    = "sluice.dev/digest"      // v<revision>-<40 hexadecimal digits>
	LabelOwner     = "sluice.dev/helmrelease" // <namespace>.<name>
	LabelInventory = "sluice.dev/inventory"   // <namespace>.<name>
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
