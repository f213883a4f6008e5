package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// lastApplied is the annotation in which client-side kubectl apply keeps what it sent.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

var lastAppliedPath = fieldPath{"f:metadata", "f:annotations", "f:" + lastApplied}

// clientSide says whether an entry is that of a client-side apply: of kubectl, which is also how
// Flux v1 applies, or of whoever owns the annotation that such an apply leaves. Server-side apply
// takes the values of such fields, but one that is no longer wanted would stay with the old owner
// for good.
func (m managed) clientSide() bool {
	if m.Operation != "Update" || m.Subresource != "" {
		return false
	}
	return m.Manager == "kubectl-client-side-apply" || m.fields().has(lastAppliedPath)
}

// clientSideManagers names those whose fields are to become ours, in order.
func clientSideManagers(entries []managed) []string {
	var names []string
	for _, entry := range entries {
		if entry.clientSide() {
			names = append(names, entry.Manager)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// takenOver gives managedFields in which what was applied client-side is applied by us. Entries of
// other API versions than the one that is kept go: their fields cannot be compared.
func takenOver(entries []managed) ([]managed, error) {
	kept := slices.IndexFunc(entries, managed.ours)
	if kept < 0 {
		kept = slices.IndexFunc(entries, managed.clientSide)
	}
	target := entries[kept]
	fields := target.fields()
	var rest []managed
	for i, entry := range entries {
		switch {
		case i == kept:
		case !entry.clientSide():
			rest = append(rest, entry)
		case entry.APIVersion == target.APIVersion:
			fields = fields.union(entry.fields())
		}
	}
	raw, err := json.Marshal(fields)
	if err != nil {
		return nil, err
	}
	target.Manager, target.Operation, target.FieldsV1 = Manager, "Apply", raw
	return append(rest, target), nil
}

// takeOver makes ours what was applied to an object client-side: one request, unless somebody
// writes the object at the same moment.
func (c *Client) takeOver(ctx context.Context, r *Resource, id ID, m *partialMetadata) error {
	for attempt := 0; ; attempt++ {
		entries, err := takenOver(m.ManagedFields)
		if err != nil {
			return err
		}
		// With "replace" the API server answers 409 to a version that is no longer the object's.
		body, err := json.Marshal([]map[string]any{
			{"op": "replace", "path": "/metadata/managedFields", "value": entries},
			{"op": "replace", "path": "/metadata/resourceVersion", "value": m.ResourceVersion},
		})
		if err != nil {
			return err
		}
		_, err = c.do(ctx, request{method: http.MethodPatch, path: r.path(id.Namespace, id.Name), accept: metadataOnly,
			contentType: "application/json-patch+json", body: body}, nil)
		if !apierrors.IsConflict(err) || attempt == 3 {
			return err
		}
		if m, err = c.metadata(ctx, r, id); err != nil {
			return err
		}
		if m == nil || clientSideManagers(m.ManagedFields) == nil {
			return nil
		}
	}
}

func describeTakeOver(managers []string) string {
	return fmt.Sprintf("taken over from %s", strings.Join(managers, ", "))
}
