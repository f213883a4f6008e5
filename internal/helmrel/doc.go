// Package helmrel does the Helm Operator's job: it reads HelmRelease objects, finds their charts and
// values, and makes the cluster's Helm releases match.
//
// A HelmRelease is of helm.fluxcd.io/v1; flux.weave.works/v1beta1, which has the same body, is read too.
//
// The way through it:
//
//	h, unknown, err := helmrel.Parse(object)
//	cluster, err := helmrel.NewCluster(config)
//	run := helmrel.Run{Cluster: cluster, Sources: …, Wanted: …, Report: …}
//	err = run.Do(ctx)
//
// # A run
//
// A run decides by reading, see [Decide]: one metadata-only list of the release records tells for every
// release at once whether the cluster already has what is wanted, because each revision that was made
// here carries a label with its own number and a [Digest] of chart, values and options. A release that
// is as wanted costs no request of its own, no rendering and no revision; a run in which nothing
// differs writes nothing.
//
// Before the first write the run takes the lease of its inventory, decides anew, and writes the
// inventory ahead. The inventory is the only ground to uninstall a release: it holds each with its
// HelmRelease and its source, and shrinks when a release was seen gone. Labels on the release records
// say whose a release is; they can keep a run from changing it, and are no reason to remove it.
//
// # Charts
//
// A [Chart] is made of files in memory, from a commit's objects ([FromFolder]) or an archive
// ([FromArchive]). The same files give the same digest, whatever their order. [Sources] finds them, with
// their dependencies; what came over the network is kept in a [Cache] by its digest.
//
// # Helm
//
// Helm is behind the files whose names start with helm; no exported name mentions one of
// its types. What it logs is dropped, for some of it holds values; [Quiet] silences the rest.
package helmrel
