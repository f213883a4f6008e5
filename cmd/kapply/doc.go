// Kapply makes a cluster match the manifests of a stream.
//
// Usage:
//
//	… | kapply [flags]
//
// It reads the stream to its end, compares what is wanted with what the cluster holds, applies
// what differs, and with --prune deletes what is no longer wanted.
//
//	git-fetch https://git.example/team/config.git | kapply --prune --wait
//
// For every manifest it writes an apply record, in the manifests' order, then one for every
// object that it deleted:
//
//	created     it did not exist
//	configured  it was changed
//	unchanged   it is as wanted; most often the API server was not even asked to change it
//	pruned      it was deleted
//	skipped     it was left alone; the message says why
//	failed      the message says why; an error record follows
//
// # Applying
//
// Objects are applied by server-side apply as field manager "sluice": Namespaces first, then
// CustomResourceDefinitions, then what is cluster-wide, then the rest, webhook configurations
// last. Kinds whose CRD comes in the same stream are waited for. A field that somebody has
// changed with kubectl is taken back; a field that a controller or another tool owns is a
// conflict, an error of that object that names manager and field.
//
// A namespaced object whose manifest names no namespace goes to --default-namespace, else to
// that of the kubeconfig's context. An object with the annotation fluxcd.io/ignore: "true", in
// git or in the cluster, is left alone altogether; with "sync_only" it is applied and not pruned.
//
// # The inventory
//
// What was applied is remembered in the ConfigMap sluice-kapply-NAME, object by object with its
// UID and the source it came from. A run in which nothing differs writes nothing. A run that
// writes takes the Lease of the same name first; if another run holds it, kapply exits with 7
// and has changed nothing. A run that was killed keeps others out for 30 seconds.
//
// # Pruning
//
// Deleted is only what the inventory holds, with the UID it was made with, of a source that is
// in this stream and whole. A stream that was cut short, filtered, or that misses a file which
// did not parse, applies what it has, deletes nothing, says so, and exits with 4. Objects of a
// source that is not in the stream are never touched, until --drop-source names it. Namespaces,
// CustomResourceDefinitions, PersistentVolumes and PersistentVolumeClaims are not deleted.
// While objects of a source fail to apply none of it is deleted.
//
// Refused, with exit code 4 and nothing changed: a stream that was fetched before the one that
// was applied last (--replay passes it), and a source that brings fewer objects than the same
// commit brought before (--allow-fewer passes it). A run in which nothing differs does not note
// when its stream was fetched, for it writes nothing: a stream that was fetched before such a run,
// but after the last one that wrote, is applied although git stood elsewhere in between.
//
// # Dry run
//
// With --dry-run every apply is put to the API server as a question; no DELETE is sent. With
// --exit-code too, the exit code is 3 where there are changes. --wait has no effect then: there is
// nothing to wait for.
package main
