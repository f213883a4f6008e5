package kube

import (
	"cmp"
	"strings"
)

// ID is an object's identity in a cluster. The version of its API is no part of it.
type ID struct {
	Group     string // empty for the core group
	Kind      string
	Namespace string // empty for a cluster-scoped object
	Name      string
}

// String gives Kind[.group]/[namespace/]name, for example Deployment.apps/demo/podinfo.
func (id ID) String() string {
	parts := []string{id.GroupKind().String()}
	if id.Namespace != "" {
		parts = append(parts, id.Namespace)
	}
	return strings.Join(append(parts, id.Name), "/")
}

// GroupKind is what an object is.
func (id ID) GroupKind() GroupKind { return GroupKind{id.Group, id.Kind} }

func (id ID) compare(other ID) int {
	return cmp.Or(
		cmp.Compare(id.Group, other.Group),
		cmp.Compare(id.Kind, other.Kind),
		cmp.Compare(id.Namespace, other.Namespace),
		cmp.Compare(id.Name, other.Name),
	)
}

// GroupKind names a kind of object without the version of its API.
type GroupKind struct{ Group, Kind string }

// String gives Kind[.group].
func (k GroupKind) String() string {
	if k.Group == "" {
		return k.Kind
	}
	return k.Kind + "." + k.Group
}

// ParseGroupKind reads Kind[.group].
func ParseGroupKind(text string) GroupKind {
	kind, group, _ := strings.Cut(text, ".")
	return GroupKind{group, kind}
}

// apiVersion joins group and version as objects write them.
func apiVersion(group, version string) string {
	if group == "" {
		return version
	}
	return group + "/" + version
}

var (
	namespaceKind = GroupKind{"", "Namespace"}
	crdKind       = GroupKind{"apiextensions.k8s.io", "CustomResourceDefinition"}
	secretKind    = GroupKind{"", "Secret"}
)

// keptKinds are not pruned: others' objects or data go with them.
var keptKinds = map[GroupKind]bool{
	namespaceKind:                 true,
	crdKind:                       true,
	{"", "PersistentVolume"}:      true,
	{"", "PersistentVolumeClaim"}: true,
}

// Kept says whether objects of a kind are not pruned unless they are asked for by kind.
func Kept(kind GroupKind) bool { return keptKinds[kind] }

// The stages in which objects are applied, and in reverse pruned.
const (
	stageNamespaces = iota
	stageCRDs
	stageBasics
	stageRest
	stageWebhooks
	stageCount
)

// stageOf gives an object's stage. Webhooks come last, for they may point at what this very run
// brings, and would refuse everything until that is ready.
func stageOf(kind GroupKind, namespaced bool) int {
	switch {
	case kind == namespaceKind:
		return stageNamespaces
	case kind == crdKind:
		return stageCRDs
	case kind.Group == "admissionregistration.k8s.io":
		return stageWebhooks
	case !namespaced, basicKinds[kind]:
		return stageBasics
	}
	return stageRest
}

// basicKinds are namespaced kinds that others are checked against when they are made.
var basicKinds = map[GroupKind]bool{
	{"", "ServiceAccount"}: true,
	{"", "LimitRange"}:     true,
	{"", "ResourceQuota"}:  true,
}
