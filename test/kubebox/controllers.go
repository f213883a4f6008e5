package main

import (
	"context"
	"fmt"
	"path/filepath"

	manager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	managerOptions "k8s.io/kubernetes/cmd/kube-controller-manager/app/options"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	schedulerOptions "k8s.io/kubernetes/cmd/kube-scheduler/app/options"
)

// startControllers starts the controller manager. Its default of 20 requests a second makes the
// first Deployment of a new cluster wait for five seconds.
func startControllers(ctx context.Context, creds *credentials, failed chan<- error) error {
	settings, err := managerOptions.NewKubeControllerManagerOptions()
	if err != nil {
		return fmt.Errorf("starting the controllers: %w", err)
	}
	known, off, aliases := manager.KnownControllers(), manager.ControllersDisabledByDefault(), manager.ControllerAliases()
	err = parse(settings.Flags(known, off, aliases), []string{
		"--kubeconfig=" + creds.controller,
		"--leader-elect=false",
		"--secure-port=0",
		"--root-ca-file=" + filepath.Join(creds.certs, "apiserver.crt"),
		"--service-account-private-key-file=" + creds.accountKey,
		"--use-service-account-credentials=true",
		"--kube-api-qps=500", "--kube-api-burst=1000",
	})
	if err != nil {
		return err
	}
	config, err := settings.Config(ctx, known, off, aliases)
	if err != nil {
		return fmt.Errorf("starting the controllers: %w", err)
	}
	go func() { report(ctx, failed, "the controller manager", manager.Run(ctx, config.Complete())) }()
	return nil
}

func startScheduler(ctx context.Context, creds *credentials, failed chan<- error) error {
	settings := schedulerOptions.NewOptions()
	err := parse(*settings.Flags, []string{
		"--kubeconfig=" + creds.scheduler,
		"--leader-elect=false",
		"--secure-port=0",
	})
	if err != nil {
		return err
	}
	config, s, err := scheduler.Setup(ctx, settings)
	if err != nil {
		return fmt.Errorf("starting the scheduler: %w", err)
	}
	go func() { report(ctx, failed, "the scheduler", scheduler.Run(ctx, config, s)) }()
	return nil
}
