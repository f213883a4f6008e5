// Package kube makes a cluster match a set of objects and forgets none of them: client
// configuration, server-side apply, inventory, prune, lease, wait.
//
// # Inventory
//
// What a tool holds in a cluster is a list in a ConfigMap, an [Inventory]: for each object its
// identity and UID, the source it came from, a digest of what was applied, and a digest of the
// fields that the API server notes as ours. The list is the only ground for a deletion. It is
// written ahead, old and new together, before the first change, and shrinks only when an
// object has been seen gone; so a run that dies at any moment leaves no orphan. Where the
// outcome of an apply is not known its digests are empty, and the next run applies again.
//
// What one ConfigMap does not hold goes to further ones, its shards. An entry is given a place for
// good; shards are written before the main ConfigMap, which names them and holds what is noted of
// the sources. So a run that dies between two writes leaves entries that are each true, and at most
// a shard that nobody names, which the next run takes over.
//
// Every object names its inventory in an annotation, which can only prevent a change. What would be
// deleted in one run has a limit, the [Brake].
//
// # Reading
//
// A run first finds out by reading what is to be done: one list per kind, of metadata only, so
// that no Secret's value is read. An object is as we want it when the digest of what we want is
// the inventory's and the digest of our own managedFields entry is the one that was noted after
// our last apply. Whoever changes a field that we own takes it out of that entry. A default,
// a normalised value (cpu "1000m" kept as "1") or a field of somebody else's does not. Where
// nothing differs nothing is written: no lease, no inventory.
//
// # Writing
//
// Before the first write the run takes the [Lease] of the inventory, and plans again if the
// inventory has changed since it was read.
package kube
