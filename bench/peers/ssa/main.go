// Command ssa applies manifests with the library that Flux's kustomize-controller is made of, as that
// controller does, and without a limit of the client's to its requests.
//
//	KUBECONFIG=FILE ssa NAME MANIFESTS
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/fluxcd/cli-utils/pkg/kstatus/polling"
	"github.com/fluxcd/pkg/ssa"
	"github.com/fluxcd/pkg/ssa/normalize"
	"github.com/fluxcd/pkg/ssa/utils"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// checks is how many dry runs are under way at a time: what the controller starts with.
const checks = 4

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: ssa NAME MANIFESTS")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "ssa:", err)
		os.Exit(1)
	}
}

func run(name, file string) error {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	objects, err := utils.ReadObjects(in)
	if err != nil {
		return err
	}
	if err := normalize.UnstructuredList(objects); err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		return err
	}
	config.QPS, config.UserAgent = -1, "ssa"
	manager, err := newManager(config)
	if err != nil {
		return err
	}
	manager.SetOwnerLabels(objects, name, "default")
	manager.SetConcurrency(checks)
	changes, err := manager.ApplyAllStaged(context.Background(), objects, ssa.DefaultApplyOptions())
	if err != nil {
		return err
	}
	for _, entry := range changes.Entries {
		fmt.Println(entry)
	}
	return nil
}

func newManager(config *rest.Config) (*ssa.ResourceManager, error) {
	http, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, err
	}
	mapper, err := apiutil.NewDynamicRESTMapper(config, http)
	if err != nil {
		return nil, err
	}
	c, err := client.New(config, client.Options{HTTPClient: http, Mapper: mapper})
	if err != nil {
		return nil, err
	}
	owner := ssa.Owner{Field: "ssa", Group: "bench.example.com"}
	return ssa.NewResourceManager(c, polling.NewStatusPoller(c, mapper, polling.Options{}), owner), nil
}
