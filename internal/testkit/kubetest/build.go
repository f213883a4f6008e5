package kubetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"syscall"
)

// binaryVariable names a kubebox that was built elsewhere; then none is built.
const binaryVariable = "SLUICE_KUBEBOX"

// Build returns the path of a kubebox built from the present sources. The first build takes
// minutes and needs a module proxy; later ones cost a hash of a few files. Processes that
// build at the same time wait for one another. What is going on is told to log.
func Build(ctx context.Context, log io.Writer) (string, error) {
	if path := os.Getenv(binaryVariable); path != "" {
		return path, nil
	}
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	sources := filepath.Join(root, "test", "kubebox")
	sum, err := sourceSum(sources)
	if err != nil {
		return "", fmt.Errorf("reading kubebox's sources: %w", err)
	}
	dir := filepath.Join(root, ".cache", "kubebox")
	binary := filepath.Join(dir, "kubebox-"+sum)
	if _, err := os.Stat(binary); err == nil {
		return binary, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	unlock, err := lock(filepath.Join(dir, "lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(binary); err == nil {
		return binary, nil
	}
	fmt.Fprintln(log, "building kubebox, a Kubernetes control plane in one process: this takes some minutes, once")
	if err := compile(ctx, sources, binary); err != nil {
		return "", err
	}
	removeOthers(dir, binary)
	return binary, nil
}

// moduleRoot is the nearest folder above the working directory that holds this module's go.mod.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		content, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && bytes.HasPrefix(content, []byte("module github.com/sluice-gitops/sluice\n")) {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("looking for the module's folder: the working directory is not inside it")
		}
		dir = up
	}
}

// sourceSum digests what a build depends on.
func sourceSum(dir string) (string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return "", err
	}
	files = append(files, filepath.Join(dir, "go.mod"), filepath.Join(dir, "go.sum"))
	sum := sha256.New()
	fmt.Fprintln(sum, runtime.GOOS, runtime.GOARCH, runtime.Version())
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(sum, "%s %x\n", filepath.Base(file), sha256.Sum256(content))
	}
	return hex.EncodeToString(sum.Sum(nil))[:16], nil
}

func lock(file string) (unlock func(), err error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("locking %s: %w", file, err)
	}
	return func() { f.Close() }, nil
}

var kubernetesVersion = regexp.MustCompile(`(?m)^\tk8s\.io/kubernetes v(\d+)\.(\d+)\.(\d+)$`)

// compile builds beside the target and renames, so that a build that was broken off is not
// taken for a binary.
func compile(ctx context.Context, sources, binary string) error {
	mod, err := os.ReadFile(filepath.Join(sources, "go.mod"))
	if err != nil {
		return err
	}
	v := kubernetesVersion.FindSubmatch(mod)
	if v == nil {
		return errors.New("reading kubebox's go.mod: no k8s.io/kubernetes in it")
	}
	// Without these the API server gives its version as v0.0.0-master.
	const variable = " -X k8s.io/component-base/version.git"
	flags := fmt.Sprintf("-s -w"+variable+"Version=v%s.%s.%s"+variable+"Major=%[1]s"+variable+"Minor=%[2]s", v[1], v[2], v[3])
	partial := binary + ".partial"
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", partial, ".")
	command.Dir = sources
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-trimpath", "GOWORK=off", "PWD="+sources)
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("building kubebox: %w\n%s", err, output)
	}
	return os.Rename(partial, binary)
}

// removeOthers removes what older sources were built into: 120 MB each.
func removeOthers(dir, binary string) {
	old, _ := filepath.Glob(filepath.Join(dir, "kubebox-*"))
	for _, file := range old {
		if file != binary {
			os.Remove(file)
		}
	}
}
