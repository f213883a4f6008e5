package kube

import (
	"log/slog"

	"k8s.io/klog/v2"
)

// Quiet silences what client-go would write to stderr on its own, in a form of its own: what there is
// to say comes back as errors. It acts on the whole process.
func Quiet() { klog.SetSlogLogger(slog.New(slog.DiscardHandler)) }
