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
//	rolled-back  the upgrade failed, or its tests did, and the release is back at its state before
//	tested       only its tests had to be run
//	drifted      it is as wanted, and somebody has changed its objects
//	corrected    they are as the release says again
//	uninstalled  its HelmRelease is gone
//	blocked      it is not changed; message and error record say why, and what to do
//	failed       the message says why; an error record follows
//
// # What is there already
//
// Each revision made here carries a label with its number and a digest of the chart's bytes, the
// values and the options that Helm is called with. One list of the release records' metadata, without
// their content, tells for all releases whether they are as wanted. A quiet run reads that list, the
// inventory and what valuesFrom names, and writes nothing.
//
// # The step of a release
//
// The first rule that fits is taken:
//
//	no release, or one that was uninstalled   install
//	it is somebody else's                     blocked; --adopt takes over one that was made by hand
//	pending, and begun here                   the run that began it was killed, for the lease is ours:
//	                                            noted as failed, then upgraded, or rolled back
//	pending, and begun by somebody else       blocked until it is older than spec.timeout, then the same
//	made here, deployed, of the same digest   unchanged; or its tests are run, where they never were
//	the last one made here failed with the    blocked for 1 hour, after the next failure for 2, and so on
//	  same digest                               up to 24, or until chart, values or options change;
//	                                            rolled back before, where that is due.
//	                                            spec.rollback.retry repeats it, --retry-failed does once
//	else                                      upgrade; also over a rollback or upgrade made by hand
//
// An install or upgrade that fails stays as it is, for people to look at: nothing is uninstalled. The next
// upgrade takes along what a failed one has made and the chart no longer has. Three runs in a row that are
// killed in the same upgrade count as a failure.
//
// With spec.test the chart's tests are run after an install or upgrade. A revision whose tests fail is
// noted as failed, and rolled back where spec.rollback says so; ignoreFailures only says it. What the tests
// have made is deleted, unless cleanup is false.
//
// Every object of a release, hooks apart, bears the annotation helm.fluxcd.io/antecedent, which names the
// HelmRelease. If one names another, or another release of Helm, the whole release is blocked: nothing of
// it is changed or uninstalled.
//
// The annotation sluice.dev/depends-on: NAME,NAMESPACE/NAME of a HelmRelease has it wait until those are as
// wanted; it is blocked where one is not, or is not in the stream. Ready they are then only where
// spec.wait is true of them.
//
// The definitions of a chart's crds folder are made at an install or upgrade where they are missing;
// --crds replace, or the annotation sluice.dev/crds: replace, replaces those that are there, skip and
// spec.skipCRDs leave them out. They are never deleted.
//
// # Drift and differences
//
// --drift detect compares the objects of releases that are as wanted with what the release says, field by
// field as an upgrade would, and asks the API server by a dry run what a difference comes to. --drift
// correct brings them back, without a new revision. That costs a request for the release and one for each
// object. --log-diffs shows what changes of each object: of an upgrade compared with the deployed revision,
// of drift with the object in the cluster. Values of Secrets, and what is named like a credential, are
// hidden.
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
// source's own revision, without a request. What .helmignore names is left out.
//
// A chart of a Helm repository (chart.repository, name, version) must have the digest that the index
// gives. One of a registry is at chart.repository oci://HOST/PATH, with name as the last part of the path;
// the version is a tag, a digest (sha256:…) or both (1.2.3@sha256:…). Elsewhere as here, a range of versions
// is looked for among what there is: an index, or all tags, once in a run. Of a registry's chart the
// record's chartRevision is the digest of the manifest.
//
// --chart-cache DIR keeps archives and indexes, by their digests, which are checked when they are read. An
// index is asked for with If-None-Match; one archive costs one download. A version that is not what it
// was when it was last used, because somebody published it anew, is taken and said.
//
// # Dependencies
//
// A chart in git gets the dependencies that its Chart.yaml or requirements.yaml declares, in this order:
//
//	a folder in charts/        is taken as it is in git, and nothing is downloaded for it
//	file://PATH                the folder in the same commit, and never one outside of the repository
//	the lock file              says the version, where that is in the range; else the range is resolved
//	an archive in charts/      is taken where it is of that very version, without a request
//	the repository             that the dependency names, oci:// included, or @NAME and alias:NAME by
//	                           the names in --repository-config
//
// With chart.skipDepUpdate only what is in charts/ counts. Where a folder and an archive hold the same
// dependency the folder wins, and the record says so. One that is declared and not there is an error.
// Charts of repositories and registries come with their dependencies.
//
// # Credentials and signatures
//
// URLs may be https, for git ssh, and oci; http only for --insecure-host. Link-local addresses and the API
// server are never asked. A credential goes to the host that it is for: not to one that a redirect, an
// index or a registry's token service leads to (--token-host names token services outside of the
// registry's domain).
//
//	git          the flags' key and token, for the hosts of the stream's sources and of --chart-host;
//	             or the Secret of chart.secretRef: username and password, or identity, a key for ssh
//	repository   the Secret of chart.chartPullSecret: username and password; ca.crt, tls.crt and tls.key;
//	             or Helm's repositories.yaml; else --repository-config
//	registry     the same, or .dockerconfigjson in the Secret; else --docker-config (without the
//	             programs that it names)
//
// --ca-file, --client-cert and --client-key are for all repositories and registries that a HelmRelease or a
// chart names. HTTPS_PROXY and NO_PROXY count.
//
// --verify takes charts of repositories and registries, dependencies included, only with a provenance file
// (helm package --sign) that a key of --keyring signed for this name, version and archive. Others are
// blocked, with exit code 4. Charts in git are not looked at: git-fetch checks commits.
//
// # Values
//
// Values come from valuesFrom, in its order, and from values. ConfigMaps and Secrets of other namespaces
// work as Flux users know them: the repository is the authority. What optional forgives is that an object, a
// key, a file or a document is not there, or is no YAML; not that it cannot be read.
//
// externalSourceRef is refused but for URLs at or below --allow-values-url; redirects must stay there, no
// credential is sent, and a document may have 4 MiB.
//
// # Status and Events
//
// Of a HelmRelease that the cluster holds too, status and conditions are kept as the Helm Operator kept them,
// with a condition Ready for kubectl wait, and what changes or newly fails is told as a Kubernetes Event;
// --events=false writes none. They cost a quiet run one list, and it writes nothing. That they cannot be
// written, or read, fails nothing. The definitions in deploy/crds know them.
//
// # HelmReleases of the cluster
//
// With --from-cluster there is no stream: all HelmReleases of the cluster are taken, or those of each
// --allow-namespace.
//
//	helm-reconcile --from-cluster --allow-namespace team-a --prune
//
// One that is gone from the list, or is being deleted, is uninstalled with --prune, within the limits
// below; where none is left at all, more than one release wants --max-prune or a confirmation. A list that
// cannot be had whole fails the run. A HelmRelease takes values and logins of its own namespace only, unless
// --allow-cross-namespace is given. Key and token are for the hosts of --chart-host. In records the source is
// called @cluster.
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
package main
