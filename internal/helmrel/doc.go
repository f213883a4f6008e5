// Package helmrel does the Helm Operator's job: it reads HelmRelease objects, finds their charts and
// values, and makes the cluster's Helm releases match.
//
// A HelmRelease is of helm.fluxcd.io/v1; flux.weave.works/v1beta1, which has the same body, is read too.
//
// The work of a run is cut in two. [Plan] decides by reading: one metadata-only list of the release
// records tells for every release at once whether the cluster already has what is wanted, because each
// revision that was made here carries a label with its own number and a digest of chart, values and
// options. [Cluster.Do] then takes one decided step through Helm. A release that is as wanted costs
// no request of its own, no rendering and no revision.
//
// Helm itself is behind helm.go and helmchart.go; no exported name mentions one of its types.
package helmrel
