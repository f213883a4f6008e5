// Command kubebox is a Kubernetes control plane in one process, for tests and the demo: etcd,
// API server, controller manager, scheduler, and one node that only pretends to run pods.
// It needs no container runtime, no image, no root, and listens on loopback only.
//
//	kubebox -dir DIR [-bind 127.0.0.1:0] [-audit FILE] [-without LIST] [-ephemeral]
//
// When the cluster is usable it prints one line, the path of a kubeconfig with every right.
// SIGTERM and SIGINT stop it in order: what talks to the API server, the API server, etcd.
// Started again with the same -dir and -bind it is the same cluster, with the same credentials.
//
// It is a module of its own, because Kubernetes can only be built with a replace line for
// each of its parts. Package internal/testkit/kubetest builds and runs it.
//
// # Pods
//
// A pod that the scheduler has bound is running and ready at once, a Job's pod succeeds, a
// deleted one is gone. A pod with the annotation "kubebox/fails" never gets that far: its
// containers wait with ImagePullBackOff and the annotation's value as the message.
package main
