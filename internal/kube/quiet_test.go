package kube

import (
	"errors"
	"io"
	"os"
	"testing"

	"k8s.io/klog/v2"
)

func TestQuietKeepsStderrClean(t *testing.T) {
	defer klog.ClearLogger()
	if got := logged(t); got == "" {
		t.Fatal("client-go's logger is not what this test takes it for")
	}
	Quiet()
	if got := logged(t); got != "" {
		t.Errorf("on stderr: %s", got)
	}
}

// logged is what reaches stderr of an error that client-go logs.
func logged(t *testing.T) string {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func(stderr *os.File) { os.Stderr = stderr }(os.Stderr)
	os.Stderr = w
	klog.ErrorS(errors.New("cause"), "Unexpected error when reading response body")
	klog.Warning("deprecated")
	klog.Flush()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
