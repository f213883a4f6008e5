package kube

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
)

// OwnerAnnotation is on every object that was applied, and names the inventory that holds it as
// namespace/name. It can only prevent a change: an object that names another inventory is neither
// applied nor deleted. That an object names ours allows nothing; the inventory alone does.
const OwnerAnnotation = "sluice.dev/inventory"

// Owner is the identity of an inventory.
type Owner struct{ Namespace, Name string }

// String is the value of [OwnerAnnotation].
func (o Owner) String() string { return o.Namespace + "/" + o.Name }

// label is the value of [InventoryLabel] on an object, by which one LIST finds what an inventory
// may hold: namespace.name, or where a label cannot be that long a digest of it.
func (o Owner) label() string {
	plain := o.Namespace + "." + o.Name
	if len(plain) <= 63 {
		return plain
	}
	sum := sha256.Sum256([]byte(plain))
	return "x-" + hex.EncodeToString(sum[:])[:40]
}

// with gives a copy of a map of strings, as a manifest holds it, with one key set. What is no map
// is left for the API server to refuse.
func with(given any, key, value string) any {
	if given == nil {
		return map[string]any{key: value}
	}
	fields, ok := given.(map[string]any)
	if !ok {
		return given
	}
	fields = maps.Clone(fields)
	fields[key] = value
	return fields
}
