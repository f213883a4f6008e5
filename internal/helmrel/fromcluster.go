package helmrel

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-gitops/sluice/internal/kube"
)

// HelmReleases reads those that the cluster holds, of both versions, in all namespaces or in those that are
// named, by namespace and name. It gives all or an error: what it leaves out is gone.
func (c *Cluster) HelmReleases(ctx context.Context, namespaces []string) ([]Object, error) {
	if namespaces == nil {
		namespaces = []string{metav1.NamespaceAll}
	}
	var all []Object
	known := false
	for _, version := range []string{APIVersion, LegacyAPIVersion} {
		served, err := c.listAll(ctx, version, namespaces, &all)
		if err != nil {
			return nil, kube.Explained(err, "listing HelmReleases of "+version)
		}
		known = known || served
	}
	if !known {
		return nil, &kube.Error{Code: "no-helmreleases", Hint: "apply deploy/crds, or read HelmReleases from a stream",
			Err: errors.New("the cluster does not know HelmReleases")}
	}
	slices.SortStableFunc(all, func(a, b Object) int {
		return cmp.Or(cmp.Compare(a.ID.Namespace, b.ID.Namespace), cmp.Compare(a.ID.Name, b.ID.Name))
	})
	return all, nil
}

func (c *Cluster) listAll(ctx context.Context, version string, namespaces []string, all *[]Object) (served bool, err error) {
	for i, namespace := range namespaces {
		objects, err := c.list(ctx, version, namespace)
		switch {
		case i > 0 && err != nil:
			return false, err // it was served a moment ago
		case apierrors.IsNotFound(err), apierrors.IsForbidden(err) && !c.serves(ctx, version):
			return false, nil
		case err != nil:
			return false, err
		}
		*all = append(*all, objects...)
	}
	return true, nil
}

// serves asks whether there is such a version: who may not list what is not there is told that it may
// not, and not that it is not there.
func (c *Cluster) serves(ctx context.Context, version string) bool {
	err := c.client.Discovery().RESTClient().Get().AbsPath("/apis/" + version).Do(ctx).Error()
	return !apierrors.IsNotFound(err)
}

// Elsewhere are the references of h into other namespaces, as fields of its spec. Whoever may write a
// HelmRelease in one namespace would read Secrets of another by them.
func (h *HelmRelease) Elsewhere() []string {
	var all []string
	note := func(field, namespace string) {
		if namespace != "" && namespace != h.Metadata.Namespace {
			all = append(all, field)
		}
	}
	if ref := h.Spec.Chart.SecretRef; ref != nil {
		note("spec.chart.secretRef", ref.Namespace)
	}
	for i, from := range h.Spec.ValuesFrom {
		if ref := from.ConfigMapKeyRef; ref != nil {
			note(fmt.Sprintf("spec.valuesFrom[%d].configMapKeyRef", i), ref.Namespace)
		}
		if ref := from.SecretKeyRef; ref != nil {
			note(fmt.Sprintf("spec.valuesFrom[%d].secretKeyRef", i), ref.Namespace)
		}
	}
	return all
}
