package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// settings are the command line.
type settings struct {
	dir       string // state: etcd's data, keys, tokens, kubeconfigs
	bind      string // address of the API server
	audit     string // file for the audit log; empty: none
	without   string // comma-separated: controllers, scheduler, node
	ephemeral bool   // stop when standard input ends, and remove dir
}

func (s settings) has(part string) bool {
	for without := range strings.SplitSeq(s.without, ",") {
		if without == part {
			return false
		}
	}
	return true
}

func main() {
	var s settings
	flag.StringVar(&s.dir, "dir", "", "state `directory`, made where it is missing")
	flag.StringVar(&s.bind, "bind", "127.0.0.1:0", "loopback `address` of the API server; port 0 takes a free one")
	flag.StringVar(&s.audit, "audit", "", "write one JSON line for each request to this `file`")
	flag.StringVar(&s.without, "without", "", "leave out parts of this `list`: controllers, scheduler, node")
	flag.BoolVar(&s.ephemeral, "ephemeral", false, "stop when standard input ends, and remove the state directory then")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, s); err != nil {
		fmt.Fprintln(os.Stderr, "kubebox:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings) error {
	if s.dir == "" {
		return errors.New("-dir is missing")
	}
	var err error
	if s.dir, err = filepath.Abs(s.dir); err != nil {
		return err
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	if s.ephemeral {
		defer os.RemoveAll(s.dir)
		// The pipe closes however the parent ends, kill -9 included, so nothing is orphaned.
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
		go func() {
			io.Copy(io.Discard, os.Stdin)
			cancel()
		}()
	}
	return serve(ctx, s)
}

// serve runs the parts until ctx ends or one of them fails.
func serve(ctx context.Context, s settings) error {
	// Every client in this process would otherwise print the deprecations that it meets.
	rest.SetDefaultWarningHandler(rest.NoWarnings{})
	address, err := freeAddress(s.bind)
	if err != nil {
		return err
	}
	creds, err := prepareCredentials(s.dir, address)
	if err != nil {
		return err
	}
	store, err := startEtcd(filepath.Join(s.dir, "etcd"))
	if err != nil {
		return err
	}
	defer store.Close()

	// The API server outlives its clients and ends before etcd: with etcd gone it would linger
	// and hold its port.
	serverCtx, stopServer := context.WithCancel(context.WithoutCancel(ctx))
	failed := make(chan error, 8)
	stopped := make(chan struct{})
	if err := startAPIServer(serverCtx, store, creds, address, s.audit, failed, stopped); err != nil {
		stopServer()
		return err
	}
	defer func() {
		stopServer()
		select {
		case <-stopped:
		case <-time.After(5 * time.Second):
		}
	}()

	clientCtx, stopClients := context.WithCancel(ctx)
	defer stopClients()
	if err := startClients(clientCtx, s, creds, failed); err != nil {
		return err
	}
	fmt.Println(creds.admin)
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return err
	}
}

// startClients waits for the API server and starts what talks to it.
func startClients(ctx context.Context, s settings, creds *credentials, failed chan error) error {
	config, err := clientcmd.BuildConfigFromFlags("", creds.admin)
	if err != nil {
		return err
	}
	config.QPS, config.Burst = 500, 1000
	config.UserAgent = "kubebox"
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	if err := waitReady(ctx, client, failed); err != nil {
		return err
	}
	if s.has("node") {
		if err := startNode(ctx, client, "kubebox"); err != nil {
			return err
		}
	}
	if s.has("controllers") {
		if err := startControllers(ctx, creds, failed); err != nil {
			return err
		}
	}
	if s.has("scheduler") {
		if err := startScheduler(ctx, creds, failed); err != nil {
			return err
		}
	}
	return nil
}

// waitReady polls until the API server says that it is ready.
func waitReady(ctx context.Context, client kubernetes.Interface, failed chan error) error {
	for {
		request, cancel := context.WithTimeout(ctx, 5*time.Second)
		answer, err := client.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(request)
		cancel()
		if err == nil && string(answer) == "ok" {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-failed:
			return err
		case <-time.After(30 * time.Millisecond):
		}
	}
}

// report hands on what a part ended with, unless it ended because it was told to.
func report(ctx context.Context, failed chan<- error, part string, err error) {
	if ctx.Err() == nil {
		failed <- fmt.Errorf("%s ended: %w", part, errOr(err, "without a word"))
	}
}

func errOr(err error, text string) error {
	if err != nil {
		return err
	}
	return errors.New(text)
}
