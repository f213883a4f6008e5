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
// last. Kinds whose CRD comes in the same stream, or was made in the last minute, are waited for. A field that somebody has
// changed with kubectl is taken back; a field that a controller or another tool owns is a
// conflict, an error of that object that names manager and field. --force-conflicts NAME takes
// such fields from the manager of that name, --force-conflicts all from everybody.
//
// An object that was applied client-side before, with kubectl or by Flux v1, is taken over when
// kapply meets it first: what was applied then and is not in git goes, the annotation
// kubectl.kubernetes.io/last-applied-configuration too. That is one request more, once. What was
// applied server-side by another tool (Flux v2, Argo CD, helm) is not taken over: a field that both
// want at different values is a conflict, and one that is not in git stays with its owner.
//
// A field that cannot be changed in place is an error. An object whose manifest carries the
// annotation sluice.dev/recreate: "true" is then deleted and made anew, if the inventory knows it by
// its UID and --prune allows deletions; never a Namespace, a CustomResourceDefinition, a
// PersistentVolume or a PersistentVolumeClaim. The annotations of other tools for this do not count.
//
// A request that fails for a reason that passes is sent again, for some seconds: too many requests,
// an API server that restarts, somebody who writes the same object, a kind that is not yet served.
// --verbose says so.
//
// # Drift
//
// Objects that are as they were left are known by one listing of each kind, without their content:
// by a digest of what is wanted, and one of the fields that the API server notes as ours. Whoever
// changes one of those takes it out of them; fields that are not in git, defaults, and values that
// the API server or a webhook writes differently are no drift. An object that was changed though git
// says nothing new of it is configured; the record names the fields and who owned them.
// --verify=dry-run asks the API server about every object instead.
//
// A namespaced object whose manifest names no namespace goes to --default-namespace, else to
// that of the kubeconfig's context. An object with the annotation fluxcd.io/ignore: "true", in
// git or in the cluster, is left alone altogether; with "sync_only", or with sluice.dev/prune:
// disabled, it is applied and not pruned, now or once it is gone from git: then it is yours to
// delete by hand.
//
// What the API server refuses is asked of it again in every run, by a dry run of that object. As
// long as it is refused, and there is nothing else to do, nothing is written.
//
// # The inventory
//
// What was applied is remembered in the ConfigMap sluice-kapply-NAME, object by object with its
// UID and the source it came from: 5,000 objects and more in one; beyond that in further ConfigMaps,
// sluice-kapply-NAME.1 and so on, which the first one names. One of these that is missing or
// damaged is an error, never an empty inventory; none is ever deleted. A run in which nothing
// differs writes nothing. A run that writes takes the Lease of the same name first; if another run
// holds it, kapply waits for --lock-timeout, then exits with 7 and has changed nothing. A run that
// was killed keeps others out for 30 seconds.
//
// Every object carries the annotation sluice.dev/inventory: NAMESPACE/NAME. An object that names
// another inventory is neither applied nor deleted: the first is an error, and at the second the
// inventory forgets the object. That an object names this inventory is no reason for anything. The
// label of the same name, NAMESPACE.NAME, is for people: kubectl get all -A -l sluice.dev/inventory.
//
//	kapply status            what the inventory holds, at which revisions, and the last run
//	kapply confirm DIGEST    lets the next run delete what a run has held back
//
// # Pruning
//
// Deleted is only what the inventory holds, with the UID it was made with, of a source that is
// in this stream and whole. A stream that was cut short, filtered, or that misses a file which
// did not parse, applies what it has, deletes nothing, says so, and exits with 4. Objects of a
// source that is not in the stream are never touched, until --drop-source names it. While objects of
// a source fail to apply none of it is deleted. What an object owns is deleted after it, with
// --cascade foreground before it. A run waits a few seconds until
// what it deleted is gone, with --wait a minute; an object that a finalizer keeps longer is named with
// it, and stays in the inventory until a run finds it gone.
//
// Namespaces, CustomResourceDefinitions, PersistentVolumes and PersistentVolumeClaims are not
// deleted unless --prune-kinds names them; and a Namespace or CustomResourceDefinition not while an
// object of the inventory or of the stream stays that would go with it; nor the Namespace that the
// inventory itself is in. Others' objects in such a Namespace do go with it.
//
// More than a quarter of what the inventory holds, or ten objects where that is more, is not deleted
// in one run: --max-prune sets another limit, 0 for none at all. Such a run, a dry run too, does all
// else, says how many there are and the digest of the plan, and exits with 4. The plan is what would
// be deleted, each object with its UID, by this inventory; --confirm-prune DIGEST lets this run carry
// it out, and kapply confirm DIGEST a later one, which uses the confirmation up. The digest of
// another plan is refused.
//
// Refused, with exit code 4 and nothing changed: a stream that was fetched before the one that
// was applied last (--replay passes it), and a source that brings fewer objects than the same
// commit brought before (--allow-fewer passes it). A run in which nothing differs does not note
// when its stream was fetched, for it writes nothing. A new revision is always noted, so this lets
// one stream pass that it should not: one fetched between two runs of the very same revision, while
// the branch stood elsewhere and before it was set back to it.
//
// # Scope
//
// With --allow-namespace, which may be repeated, nothing is looked at, applied or deleted but what is
// in these namespaces, and the Namespaces themselves. An object outside is an error of its own; so is
// anything else that is cluster-scoped, for that concerns every namespace. What the inventory holds
// outside stays.
//
// With --as USER every request is made in the name of that user, those about the inventory, the lease
// and events too: nothing is done with rights that the user does not have. A tenant's service account
// is system:serviceaccount:NAMESPACE:NAME; it needs rights to ConfigMaps and Leases in the inventory's
// namespace. To list the whole cluster is tried only where objects are in several namespaces, and
// done without where it is forbidden.
//
// # Waiting
//
// --wait waits until what was applied is ready, as kstatus understands it: rollouts are complete, CRDs
// established, claims bound, custom resources have observed their newest generation and say that they
// are ready. A Job has to be done; one that is suspended is not waited for, nor is a claim whose
// volume comes only with the first pod that uses it, nor a HelmRelease, to which helm-reconcile comes
// after kapply. Objects without a status are ready.
//
// What does not look as if it would become ready is an error (not-ready) as soon as that is clear, and
// the rest is waited for: a rollout past its deadline, a Job that failed, a resource that says it has
// stalled, an object that was deleted; and a workload whose newest pods have been in trouble for half a
// minute (two minutes where there is no node for them, three crashes where the program ends), in the
// words of the pod: ImagePullBackOff, CrashLoopBackOff with what the program said last,
// CreateContainerConfigError, Unschedulable. Such words may be whatever the program wrote.
//
// # Dry run
//
// With --dry-run every apply is put to the API server as a question; no DELETE is sent. With
// --exit-code too, the exit code is 3 where there are changes. --wait has no effect then: there is
// nothing to wait for.
//
// --diff shows on stderr, in colours at a terminal, what changes of each object, or has changed: the
// object as it was against what the API server answers. Values of Secrets, and of what is named like
// a password, token or key, are hidden; where they differ it says so. A deletion is a line. An object
// costs one request more, and unlike all else this reads Secrets.
//
// # Events
//
// A run that writes tells as Kubernetes Events what failed, on the object (ApplyFailed, PruneFailed,
// NotReady), and what it changed, on the inventory (Applied). The same event is counted, not made
// again. Who may not write events does without; --events=false writes none.
package main
