package main

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/pflag"
	"go.etcd.io/etcd/server/v3/embed"
	cliflag "k8s.io/component-base/cli/flag"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	"k8s.io/kubernetes/cmd/kube-apiserver/app/options"
)

// auditPolicy notes who asked for what, and leaves out what the control plane asks of itself.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules:
- level: None
  users: ["system:apiserver", "system:kube-controller-manager", "system:kube-scheduler", "system:anonymous"]
- level: None
  userGroups: ["system:serviceaccounts:kube-system", "system:nodes"]
- level: Metadata
`

// startEtcd returns once the store is ready. What it holds is worth nothing after a power cut,
// so it does without fsync.
func startEtcd(dir string) (*embed.Etcd, error) {
	client, err := freeURL()
	if err != nil {
		return nil, err
	}
	peer, err := freeURL()
	if err != nil {
		return nil, err
	}
	config := embed.NewConfig()
	config.Dir = dir
	config.Logger, config.LogLevel = "zap", "error"
	config.UnsafeNoFsync = true
	config.ListenClientUrls, config.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	config.ListenPeerUrls, config.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	store, err := embed.StartEtcd(config)
	if err != nil {
		return nil, fmt.Errorf("starting etcd: %w", err)
	}
	select {
	case <-store.Server.ReadyNotify():
		return store, nil
	case err := <-store.Err():
		return nil, fmt.Errorf("starting etcd: %w", err)
	case <-time.After(time.Minute):
		store.Close()
		return nil, fmt.Errorf("starting etcd: not ready after a minute")
	}
}

func freeURL() (url.URL, error) {
	address, err := freeAddress("127.0.0.1:0")
	return url.URL{Scheme: "http", Host: address}, err
}

// startAPIServer returns when the server's certificate exists, which is before it is ready.
// Its parts are called one by one rather than as its command, because the commands of the
// control plane each claim the process's signals, and the second to do so panics.
func startAPIServer(ctx context.Context, store *embed.Etcd, creds *credentials, address, audit string, failed chan<- error, stopped chan<- struct{}) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	arguments := []string{
		"--etcd-servers=" + store.Config().ListenClientUrls[0].String(),
		"--bind-address=" + host, "--secure-port=" + port, "--advertise-address=" + host,
		"--endpoint-reconciler-type=none",
		"--cert-dir=" + creds.certs,
		"--authorization-mode=RBAC",
		"--token-auth-file=" + creds.tokens,
		"--service-cluster-ip-range=10.96.0.0/16",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + creds.accountKey,
		"--service-account-signing-key-file=" + creds.accountKey,
	}
	if audit != "" {
		policy := filepath.Join(filepath.Dir(creds.tokens), "audit-policy.yaml")
		if err := os.WriteFile(policy, []byte(auditPolicy), 0o600); err != nil {
			return err
		}
		arguments = append(arguments, "--audit-policy-file="+policy, "--audit-log-path="+audit,
			"--audit-log-mode=blocking", "--audit-log-maxsize=10000")
	}
	settings := options.NewServerRunOptions()
	if err := parse(settings.Flags(), arguments); err != nil {
		return err
	}
	if err := settings.GenericServerRunOptions.ComponentGlobalsRegistry.Set(); err != nil {
		return err
	}
	complete, err := settings.Complete(ctx)
	if err != nil {
		return fmt.Errorf("starting the API server: %w", err)
	}
	if errs := complete.Validate(); len(errs) > 0 {
		return fmt.Errorf("starting the API server: %w", errs[0])
	}
	go func() {
		err := apiserver.Run(ctx, complete)
		close(stopped)
		report(ctx, failed, "the API server", err)
	}()
	return nil
}

// parse sets named flags from arguments, as the command would.
func parse(sets cliflag.NamedFlagSets, arguments []string) error {
	all := pflag.NewFlagSet("kubebox", pflag.ContinueOnError)
	for _, set := range sets.FlagSets {
		all.AddFlagSet(set)
	}
	return all.Parse(arguments)
}
