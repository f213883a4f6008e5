package helmrel

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/kube"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/resource"
)

// CRDPolicy says what becomes of the CustomResourceDefinitions in a chart's crds folder at an install or
// upgrade. None is ever deleted: what was made of them would go with them.
type CRDPolicy string

// The policies.
const (
	CRDsCreate  CRDPolicy = "create"  // those that are missing are made; the default
	CRDsReplace CRDPolicy = "replace" // and those that are there are replaced
	CRDsSkip    CRDPolicy = "skip"
)

// CRDAnnotation of a HelmRelease overrides the policy of the run.
const CRDAnnotation = "sluice.dev/crds"

// ParseCRDPolicy reads a policy; nothing is the default.
func ParseCRDPolicy(text string) (CRDPolicy, error) {
	switch p := CRDPolicy(text); p {
	case "":
		return CRDsCreate, nil
	case CRDsCreate, CRDsReplace, CRDsSkip:
		return p, nil
	}
	return "", fmt.Errorf("%q is none of create, replace and skip", text)
}

// crds is the policy for a HelmRelease.
func (t Task) crds() (CRDPolicy, error) {
	if t.HelmRelease.Spec.SkipCRDs {
		return CRDsSkip, nil
	}
	if text := t.HelmRelease.Metadata.Annotations[CRDAnnotation]; text != "" {
		policy, err := ParseCRDPolicy(text)
		if err != nil {
			err = fmt.Errorf("annotation %s: %w", CRDAnnotation, err)
		}
		return policy, err
	}
	return ParseCRDPolicy(string(t.CRDs))
}

const crdTimeout = time.Minute

// bring makes the chart's definitions, or replaces them, and waits until they are served. It reports
// whether the chart has any that count.
func (s *session) bring(t Task, helmChart *chart.Chart) (bool, error) {
	policy, err := t.crds()
	files := helmChart.CRDObjects()
	if err != nil || policy == CRDsSkip || len(files) == 0 || t.DryRun {
		return err == nil && policy != CRDsSkip && len(files) > 0, err
	}
	s.client.sight.close()
	defer s.client.sight.open()
	var changed kube.ResourceList
	for _, file := range files {
		list, err := s.client.Client.Build(bytes.NewReader(file.File.Data), false)
		if err != nil {
			return true, fmt.Errorf("reading %s: %w", file.Name, err)
		}
		for _, info := range list {
			did, err := s.bringOne(info, policy, t.Left)
			if err != nil {
				return true, fmt.Errorf("%s %s of %s: %w", info.Mapping.GroupVersionKind.Kind, info.Name, file.Name, err)
			}
			if did {
				changed.Append(info)
			}
		}
	}
	if len(changed) == 0 {
		return true, nil
	}
	if err := s.client.Client.Wait(changed, crdTimeout); err != nil {
		return true, fmt.Errorf("waiting for the chart's definitions: %w", err)
	}
	s.cluster.forget()
	caps, err := s.cluster.capabilities()
	s.cfg.Capabilities = caps
	return true, err
}

// bringOne reports whether it has changed something.
func (s *session) bringOne(info *resource.Info, policy CRDPolicy, left func(ID) bool) (bool, error) {
	helper := resource.NewHelper(info.Client, info.Mapping).WithFieldManager(kube.ManagedFieldsManager)
	there, err := helper.Get(info.Namespace, info.Name)
	switch {
	case apierrors.IsNotFound(err):
		made, err := helper.Create(info.Namespace, true, info.Object)
		if apierrors.IsAlreadyExists(err) {
			return false, nil // another release of the run was quicker
		}
		return true, errors.Join(err, refresh(info, made, err))
	case err != nil, policy == CRDsCreate:
		return false, err
	}
	annotations, err := meta.NewAccessor().Annotations(there)
	if err != nil {
		return false, err
	}
	if by := takenBy(annotations, s.client.owner, s.id, left); by != "" {
		return false, &TakenError{Objects: []string{info.Mapping.GroupVersionKind.Kind + " " + info.Name}, By: by}
	}
	made, err := helper.Replace(info.Namespace, info.Name, true, info.Object)
	return true, errors.Join(err, refresh(info, made, err))
}

// refresh takes over what the API server made of an object.
func refresh(info *resource.Info, made runtime.Object, err error) error {
	if err != nil {
		return nil
	}
	return info.Refresh(made, true)
}
