package yamledit

import (
	"fmt"
	"strings"
	"testing"
)

// hundred is a Deployment with a Service, about a hundred lines.
func hundred() []byte {
	var b strings.Builder
	b.WriteString("# the shop\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: shop\n  namespace: prod\n  annotations:\n    fluxcd.io/automated: \"true\"\nspec:\n  template:\n    spec:\n      containers:\n        - name: shop\n          image: registry.example/team/shop:1.2.3 # released\n          env:\n")
	for i := range 30 {
		fmt.Fprintf(&b, "            - name: SETTING_%d\n              value: \"%d\"\n", i, i*i)
	}
	b.WriteString("---\napiVersion: v1\nkind: Service\nmetadata: {name: shop, namespace: prod}\nspec:\n  selector: {app: shop}\n  ports:\n")
	for i := range 10 {
		fmt.Fprintf(&b, "    - {name: p%d, port: %d}\n", i, 8000+i)
	}
	return []byte(b.String())
}

func BenchmarkApply(b *testing.B) {
	file := hundred()
	notes := []any{"metadata", "annotations"}
	for name, change := range map[string]Change{
		"scalar": {Scalars: []Scalar{{
			Path: []any{"spec", "template", "spec", "containers", 0, "image"},
			Old:  "registry.example/team/shop:1.2.3", New: "registry.example/team/shop:1.2.4",
		}}},
		"entry": {Entries: []Entry{{Path: notes, Key: "fluxcd.io/tag.shop", Value: "semver:~1"}}},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, outcomes, err := Apply(file, []Change{change}); err != nil || outcomes[0].Err != nil {
					b.Fatal(err, outcomes[0].Err)
				}
			}
		})
	}
}
