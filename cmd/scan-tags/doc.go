// Scan-tags finds the container images of the manifests in a stream, and the tags that their
// registries hold.
//
// Usage:
//
//	… | scan-tags [flags]
//
// It passes the stream on and writes one image record for each container image of each manifest,
// in the order of the manifests.
//
//	git-fetch https://git.example/team/config.git | scan-tags | pick-tag | bump-yaml
//
// # Where images are found
//
// In the containers and then the init containers of Deployment, StatefulSet, DaemonSet, ReplicaSet,
// CronJob, Job and Pod; and in the values of a HelmRelease (helm.fluxcd.io, flux.weave.works): at
// the top of the values (the container is called chart-image), one level below (it is called like
// the key), and where the annotations repository.fluxcd.io/NAME, registry.fluxcd.io/NAME and
// tag.fluxcd.io/NAME point, as paths with dots.
//
// # Which are scanned
//
// Those of workloads with the annotation fluxcd.io/automated: "true" and without fluxcd.io/locked or
// fluxcd.io/ignore: "true", unless the image names a digest. The tag policy of a container is in
// fluxcd.io/tag.CONTAINER or filter.fluxcd.io/CONTAINER. flux.weave.works/ is read too; where prefixes
// disagree, fluxcd.io/ wins. All other images get a record without tags.
//
// # What is asked of a registry
//
// Each repository is asked once for its tags, all pages of them. Creation times are read only for
// policies that go by them, and only of the tags that match. A list of which anything is missing is
// not whole, and pick-tag chooses nothing from it: a page that failed, or a list without the current
// tag when the registry has it all the same. That is an error record, and the others go on.
//
// # Credentials
//
// --docker-config names a docker config.json; without it registries are asked anonymously. Programs
// that keep credentials are not run. A credential goes to its registry, to the token service in the
// registry's own domain, and to those named by --token-host.
package main
