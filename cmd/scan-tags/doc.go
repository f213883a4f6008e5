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
// fluxcd.io/ignore: "true". The tag policy of a container is in fluxcd.io/tag.CONTAINER or
// filter.fluxcd.io/CONTAINER. flux.weave.works/ is read too; where prefixes disagree, fluxcd.io/ wins.
// An image that names a digest and no tag follows nothing. All other images get a record without tags.
//
// --all scans the images of all workloads but ignored ones, for people who want to see what there is.
// --include and --exclude are patterns of canonical names, such as index.docker.io/library/*; a * stands
// for any text, slashes too. --exclude wins. The record of an image that they leave out says so, and so
// does its pick. Nothing else is left out but the accounts of Amazon's own (see Clouds): who asks for
// updates of an image means it.
//
// # What is asked of a registry
//
// Each repository is asked once for its tags, all pages of them. A list of which anything is missing is
// not whole, and pick-tag chooses nothing from it: a page that failed, or a list without the current
// tag when the registry has it all the same. That is an error record, and the others go on.
//
// Creation times are read only for policies that go by them (glob, regexp), and only of the tags that
// match; with a minimum age also for the other policies, from the best tag down until one is old enough
// or the tag in use is reached. They come from an image's configuration; in repositories that match
// --use-labels from its label org.opencontainers.image.created, or else org.label-schema.build-date.
// Of an image for several platforms the one for --platform counts.
//
// For an image that names a tag and a digest the digests of the tag in use and of those that could be
// chosen are asked at every run.
//
// A tag whose image has no creation time for good (not found, no image, an unknown or an old type of
// manifest, no image for the platform) is left out of the choice with a reason in its "fault". One that
// could not be read for now ("passing") leaves its images undecided, if it could be the best.
//
// # Minimum age
//
// --min-age DURATION goes into every image record, and keeps pick-tag from a younger tag. The annotations
// sluice.dev/min-age and sluice.dev/min-age.CONTAINER override it.
//
// # Rates
//
// --rps and --burst limit the requests to each host. A 429 halves both for that host; after 50 other
// answers in a row they grow by half again, up to what was asked for. Retry-After is honoured up to 30
// seconds; a registry that wants to be left alone for longer is.
//
// # The cache
//
// What an image says of itself never changes, so it is kept under its digest: in --cache DIR, by default
// sluice/registry in the user's cache folder, or in --cache memcached://HOST:PORT. A tag is believed to
// name the same digest for an hour at first; then it is asked for with one small request. Each time it
// has not moved that time doubles, each time it has it halves, between 5 minutes and 7 days (24 hours for
// an image without a creation time). So a scan of a repository in which nothing is new costs the pages
// of its tags, and one request for each host. Lists of tags and the digests that go into manifests are
// never taken from the cache.
//
// A folder belongs to one user (mode 0700), and many processes may use it at once. An entry that is
// damaged, or about another repository, is asked for anew. Whoever can write to a memcached can make
// images look older or newer than they are, but cannot add one. --cache off does without.
//
// # Credentials
//
// For each image the first of these that has a login for its repository counts:
//
//  1. with --pull-secrets, the workload's pull secrets (below);
//  2. the docker config.json of --docker-config, or without that flag the one in $DOCKER_CONFIG or
//     ~/.docker, as for all tools that speak to registries. An entry for host/path goes before one for
//     the host, a program for a registry (credHelpers) before an entry, an entry before the program
//     for all (credsStore);
//  3. Amazon's or Google's cloud, for their own registries (below).
//
// Where none has any, registries are asked anonymously. DOCKER_CONFIG=/nowhere leaves the usual file
// out. Without --docker-config a file that cannot be read is a warning; the one that the flag names
// must be good. A program docker-credential-NAME is run when a configuration file names it, once for
// each registry, within --request-timeout; nothing that it writes is shown, and when it fails its
// registries are not asked as anybody else.
//
// A credential goes to its registry, to the token service in the registry's own domain, and to those
// named by --token-host; along no redirect, and into no message.
//
// # Pull secrets
//
// --pull-secrets reads from the cluster what a workload pulls its images with: the imagePullSecrets of
// its service account ("default" where it names none), and over them its own; later ones override
// earlier ones. Of a HelmRelease, whose pods are not to be seen, those of the default service account
// in the namespace that it installs into. The types are kubernetes.io/dockerconfigjson and
// kubernetes.io/dockercfg; hosts may be globs, such as *.example.com. A bad entry is an error for its
// registry only, and programs that a Secret names are never run. One repository that is pulled with two
// logins is scanned once as each.
//
// Each object is read once in a run, by its name. The right that this takes, in every namespace with
// such workloads:
//
//	rules:
//	- {apiGroups: [""], resources: [serviceaccounts, secrets], verbs: [get]}
//
// Where it is missing there is one warning for the namespace, and the scan goes on without; so it does
// after an error when the cluster cannot be reached. The cluster is the one that kubectl would take:
// --kubeconfig, KUBECONFIG, ~/.kube/config, or in a pod the one around it; --context names another. A
// workload without a namespace is taken to be in that of the context.
//
// # Clouds
//
// Amazon: for ACCOUNT.dkr.ecr.REGION.amazonaws.com[.cn], one login a region and run is asked for with
// the identity that Amazon's SDK finds: in the environment, in ~/.aws, of the pod, of the machine.
// --ecr-region, --ecr-include-id and --ecr-exclude-id say which regions and accounts are scanned; by
// default all regions, and all accounts but 602401143452 and 918309763551, which hold the components
// of Amazon's own clusters. Images of others are left out whatever credentials there are, and their
// records say so.
//
// Google: for gcr.io, *.gcr.io and *-docker.pkg.dev, one login a run is asked for with the identity that
// Google's library finds: GOOGLE_APPLICATION_CREDENTIALS, what gcloud auth application-default login
// left, of the pod, of the machine. Without one images are asked for anonymously. gcloud is not run.
//
// Azure: there is no small library for *.azurecr.io. Name docker-credential-acr-env in credHelpers, or
// take a pull secret.
//
// No cloud is asked on behalf of any other host, nor where there is an entry, even an empty one, for
// the host. These logins were tried against stand-ins for the clouds' services, and never against a
// live cloud.
//
// # Certificates and proxies
//
// --ca-file trusts further authorities, besides those of the system. --client-cert and --client-key
// are shown to hosts that ask for a client's certificate. --insecure-host takes any certificate of that
// host, or plain http. Proxies are taken from HTTPS_PROXY, HTTP_PROXY and NO_PROXY. No registry and no
// token service on a link-local address is asked; the clouds' libraries find the machine's identity there.
package main
