package helmrel

import (
	"fmt"
	"strings"
	"testing"
)

func TestChangesBetween(t *testing.T) {
	const before = `---
# Source: a
apiVersion: v1
kind: Secret
metadata: {name: s}
stringData: {password: canary-one}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: same}
---
apiVersion: v1
kind: Secret
metadata: {name: goes}
data: {key: Y2FuYXJ5LXR3bw==}
`
	const after = `---
apiVersion: v1
kind: Secret
metadata: {name: s}
stringData: {password: canary-three}
---
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: ConfigMap, metadata: {name: same}}
- {apiVersion: v1, kind: ConfigMap, metadata: {name: comes, namespace: there}}
`
	changes, err := changesBetween(before, after)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range changes {
		got = append(got, fmt.Sprintf("%s %t %t", c.Object, c.Before != nil, c.After != nil))
		if text := string(c.Before) + string(c.After); strings.Contains(text, "canary") || strings.Contains(text, "Y2Fu") {
			t.Errorf("a value of a Secret is shown: %s", text)
		}
	}
	if all := strings.Join(got, ", "); all != "ConfigMap comes in there false true, Secret goes true false, Secret s true true" {
		t.Error(all)
	}
}
