// Helm-reconcile makes a cluster's Helm releases match the HelmRelease objects of a stream.
//
// Usage:
//
//	… | helm-reconcile [flags]
//
// It reads the stream to its end, finds the chart and the values of every HelmRelease
// (helm.fluxcd.io/v1, and flux.weave.works/v1beta1 with the same body), installs and upgrades what
// differs, and with --prune uninstalls the releases whose HelmRelease is gone.
//
//	git-fetch https://git.example/team/config.git | kapply --prune | helm-reconcile --prune
//
// For every HelmRelease it writes a release record, in the order of the manifests, then one for
// every release that only the inventory knows:
//
//	installed    there was no release
//	upgraded     chart, values or options differ from those that the release was made of
//	unchanged    the release is as wanted; Helm was not even started
//	rolled-back  the upgrade failed, and the release is back at its state before
//	uninstalled  its HelmRelease is gone
//	blocked      it is not changed; message and error record say why, and what to do
//	failed       the message says why; an error record follows
//
// # What is there already
//
// Each revision made here carries a label with its number and a digest of the chart's bytes, the
// values and the options that Helm is called with. One list of the release records' metadata, without
// their content, tells for all releases whether they are as wanted. A quiet run reads that list, the
// inventory and what valuesFrom names, and writes nothing. The objects in the cluster are not compared.
//
// # The step of a release
//
// The first rule that fits is taken:
//
//	no release, or one that was uninstalled   install
//	it is somebody else's                     blocked; --adopt takes over one that was made by hand
//	it is pending: Helm is at work, or died   blocked
//	made here, deployed, of the same digest   unchanged
//	the last one made here failed with the    blocked, until chart, values or options change;
//	  same digest                               spec.rollback.retry repeats it, --retry-failed does once
//	else                                      upgrade; also over a rollback or upgrade made by hand
//
// A chart that renders no object at all is blocked, with exit code 4, before Helm changes anything: most
// often it arrived half. The annotation sluice.dev/allow-empty: "true" of the HelmRelease passes it. One
// that renders fewer than half as many objects as the deployed revision has is blocked too, and
// sluice.dev/allow-shrink: "true" passes it. Hooks do not count; the CRDs of a chart's crds folder do
// where they are installed.
//
// # Charts
//
// A chart in git (chart.git, path, ref; the default ref is master) is read from the object store at
// its ref. One that lies in the repository and branch of a source of the stream is read at the
// source's own revision, without a request. A chart in a Helm repository (chart.repository, name,
// version, which may be a range) is downloaded, and must have the digest that the index gives.
// What .helmignore names is left out. Dependencies come from charts/; where a folder and an archive
// hold the same one the folder wins, and the record says so. A declared dependency that is not there
// is an error.
//
// URLs may be https, and for git ssh; http only for --insecure-host. Link-local addresses and the API
// server are never asked. The credentials given by flags are offered to the hosts of the stream's
// sources, and to those that --chart-host names.
//
// Values come from valuesFrom, in its order, and from values. ConfigMaps and Secrets of other namespaces
// work as Flux users know them: the repository is the authority.
//
// # Uninstalling
//
// Uninstalled is only what the inventory, the ConfigMap sluice-helm-reconcile-NAME, holds for a source
// that is in this stream and whole, and whose labels still name this inventory and HelmRelease. A
// chart of another name is an upgrade. A HelmRelease that asks for a release of another name leaves
// the earlier one in place. A stream that was cut short or filtered installs and upgrades what it
// has, uninstalls nothing, says so, and exits with 4.
//
// More than a quarter of the releases in the inventory, or ten where that is more, is not uninstalled in
// one run: --max-prune sets another limit. Such a run does all else, prints the digest of the plan, and
// exits with 4; --confirm-prune DIGEST, or helm-reconcile confirm DIGEST before a later run, passes that
// plan and no other. helm-reconcile status prints what the inventory holds.
//
// Refused, with exit code 4 and nothing changed: a stream that was fetched before the one that was
// applied last (--replay passes it), a source that brings fewer HelmReleases than the same commit
// brought before (--allow-fewer passes it), and planned manifests without --dry-run.
//
// # Not there yet
//
// spec.test (a warning), chart.chartPullSecret, chart.secretRef, oci:// charts, externalSourceRef and
// helmVersion v2 (errors), status of the HelmRelease in the cluster.
package main
