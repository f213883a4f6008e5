package kube

import (
	"fmt"
	"slices"
	"strings"
)

// allows says whether an object may be looked at and changed. Where namespaces are named it is what is
// in them, and the Namespaces themselves; nothing else that is cluster-scoped, for that concerns them
// all.
func (s *Sync) allows(id ID) bool {
	switch {
	case s.AllowNamespaces == nil:
		return true
	case id.GroupKind() == namespaceKind:
		return slices.Contains(s.AllowNamespaces, id.Name)
	}
	return id.Namespace != "" && slices.Contains(s.AllowNamespaces, id.Namespace)
}

func (s *Sync) outOfScope(id ID) error {
	where := "namespace " + id.Namespace
	if id.Namespace == "" {
		where = "the whole cluster"
	}
	return &Error{Code: "out-of-scope", Hint: "--allow-namespace names the namespaces that may be touched; nothing cluster-scoped but those Namespaces may",
		Err: fmt.Errorf("apply failed: it is of %s, and this run is for %s only", where, strings.Join(s.AllowNamespaces, ", "))}
}
