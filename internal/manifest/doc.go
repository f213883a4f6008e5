// Package manifest knows Kubernetes manifests: which documents of a YAML file are objects and
// where they stand, which of their fields hold images, and what their annotations ask for.
//
// # YAML as Kubernetes reads it
//
// [Parse] gives each object the JSON that kubectl apply would send for it, by the rules of the
// parser that kubectl uses (sigs.k8s.io/yaml, YAML 1.1), with these differences, all of them
// towards an error or towards an exact value:
//
//   - yes, no, on, off, y and n, unquoted and in the usual three spellings, are booleans; ~ and null are null.
//   - Integers: 0644 and 0o644 are octal, 0x1F hexadecimal, 0b11 binary; _ between digits is dropped. They
//     are exact at any size, where kubectl rounds decimal ones above 64 bits.
//   - A number whose text is a JSON number keeps its text: 1.10 stays 1.10, where kubectl sends 1.1.
//   - .inf and .nan are errors.
//   - Keys must be strings: 8080: and on: are errors that say to quote them, where kubectl makes them "8080"
//     and "true".
//   - A key that comes twice is an error, where the last one would win.
//   - << merges; what the mapping itself says wins wherever << stands in it.
//   - Dates are strings as they are written. !!binary is decoded. Tags of one's own (!x) are
//     ignored; other !! tags are errors.
//
// # What is an object
//
// A document is ignored when it is empty, or when its top has none of kind, apiVersion and
// metadata: a values file, a pipeline of a CI, a .flux.yaml. So is a kustomization (group
// kustomize.config.k8s.io), which is meant for a program and not for a cluster. Everything else
// must be an object with apiVersion, kind and metadata.name; if not, that is a [Fault], since a
// typo must not look like a deletion.
//
// A list (kind List, or any kind that ends in List and whose items are objects) stands for its
// items. A list inside a list is a fault.
//
// # Images
//
// [Images] knows the containers and init containers of what makes pods, of Kubernetes' own kinds
// and of kinds that others defined, and the images in the values of a HelmRelease: whole, or in
// fields for registry, repository, tag and digest. [Rewrite] says which of these scalars become what
// for another reference.
//
// # Policies
//
// [ReadPolicies] reads those of Flux v1, under fluxcd.io/, filter.fluxcd.io/ and flux.weave.works/,
// and sluice.dev/min-age and sluice.dev/min-age.CONTAINER, which Flux had nothing of. [SetPolicy] says
// which annotations change so that one of Flux's policies has a value.
//
// # Files
//
// Files end in .yaml or .yml. A folder that holds a Chart.yaml is a chart, and nothing in it or
// below it is a manifest. Flux v1 wanted a values.yaml beside it; where that was missing the
// chart's templates broke everything.
package manifest
