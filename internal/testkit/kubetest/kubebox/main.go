// Command kubebox builds test/kubebox where its sources have changed and prints the path of
// the binary. The Makefile calls it before the tests, so that the first build happens in sight.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/sluice-gitops/sluice/internal/testkit/kubetest"
)

func main() {
	path, err := kubetest.Build(context.Background(), os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, "kubebox:", err)
		os.Exit(1)
	}
	fmt.Println(path)
}
