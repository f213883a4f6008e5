// Package sluice_test holds the table of which package may import what, and checks it.
package sluice_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/sluice-gitops/sluice/"

// One careless import makes a 6 MB program an 80 MB one.
var table = []struct {
	pkg string // below the module
	may []string
	// never are packages that may not even come along with an allowed one.
	never []string
}{
	{"internal/jsonl", nil, nil},
	{"internal/stage", []string{"internal/jsonl", "github.com/urfave/cli/v2", "golang.org/x/term", "golang.org/x/sys/unix"}, nil},
	{"internal/policy", []string{"github.com/Masterminds/semver/v3"}, nil},
	{"internal/yamledit", []string{"github.com/mikefarah/yq/v4/pkg/yqlib", "go.yaml.in/yaml", "gopkg.in/yaml.v3", "sigs.k8s.io/yaml"}, nil},
	{"internal/imageref", nil, nil},
	{"internal/manifest", []string{"internal/imageref", "k8s.io/apimachinery", "go.yaml.in/yaml", "gopkg.in/yaml.v3", "sigs.k8s.io/yaml"}, []string{"k8s.io/client-go", "helm.sh", "github.com/go-git"}},
	{"internal/gitrepo", []string{"github.com/go-git", "golang.org/x/crypto", "github.com/ProtonMail/go-crypto", "github.com/skeema/knownhosts", "golang.org/x/net/proxy"}, []string{"k8s.io", "helm.sh"}},
	{"internal/source", []string{"internal/gitrepo", "internal/manifest"}, []string{"k8s.io/client-go", "helm.sh"}},
	{"internal/registry", []string{"internal/imageref", "github.com/google/go-containerregistry", "golang.org/x/time/rate", "github.com/docker/docker-credential-helpers", "github.com/aws/aws-sdk-go-v2", "github.com/aws/smithy-go", "golang.org/x/oauth2", "github.com/bradfitz/gomemcache/memcache", "golang.org/x/sync"}, []string{"k8s.io", "helm.sh"}},
	{"internal/pullsecret", []string{"k8s.io/client-go/rest", "k8s.io/client-go/tools/clientcmd"}, []string{"k8s.io/client-go/kubernetes", "k8s.io/client-go/dynamic", "k8s.io/client-go/discovery", "helm.sh"}},
	{"internal/kube", []string{"k8s.io/client-go", "k8s.io/apimachinery", "sigs.k8s.io/yaml", "golang.org/x/sync", "github.com/fluxcd/cli-utils/pkg/kstatus", "k8s.io/klog/v2"}, []string{"helm.sh", "k8s.io/client-go/kubernetes", "k8s.io/client-go/discovery"}},
	{"internal/reconcile", []string{"internal/jsonl", "internal/stage", "internal/kube", "github.com/urfave/cli/v2", "github.com/pmezard/go-difflib/difflib"}, []string{"helm.sh"}},
	{"internal/helmrel", []string{"internal/kube", "internal/gitrepo", "internal/manifest", "helm.sh/helm/v3", "k8s.io", "sigs.k8s.io/yaml", "github.com/Masterminds/semver/v3", "golang.org/x/sync", "github.com/ProtonMail/go-crypto/openpgp"}, []string{module + "internal/registry", module + "internal/yamledit"}},
	{"cmd/git-fetch", []string{"internal/jsonl", "internal/stage", "internal/gitrepo", "internal/source", "github.com/urfave/cli/v2", "sigs.k8s.io/yaml", "golang.org/x/sync"}, []string{"k8s.io/client-go", "helm.sh"}},
	{"cmd/scan-tags", []string{"internal/jsonl", "internal/stage", "internal/imageref", "internal/manifest", "internal/policy", "internal/registry", "internal/pullsecret", "github.com/urfave/cli/v2", "golang.org/x/sync"}, []string{module + "internal/kube", "k8s.io/client-go/kubernetes", "k8s.io/client-go/dynamic", "k8s.io/client-go/discovery", "helm.sh", "github.com/go-git"}},
	{"cmd/pick-tag", []string{"internal/jsonl", "internal/stage", "internal/imageref", "internal/policy", "github.com/urfave/cli/v2"}, []string{"k8s.io", "helm.sh", "github.com/go-git", "github.com/google/go-containerregistry"}},
	{"cmd/bump-yaml", []string{"internal/jsonl", "internal/stage", "internal/gitrepo", "internal/source", "internal/imageref", "internal/manifest", "internal/policy", "internal/yamledit", "github.com/urfave/cli/v2", "github.com/pmezard/go-difflib/difflib", "golang.org/x/sync"}, []string{"k8s.io/client-go", "helm.sh"}},
	{"cmd/kapply", []string{"internal/jsonl", "internal/stage", "internal/kube", "internal/reconcile", "github.com/urfave/cli/v2", "k8s.io/apimachinery"}, []string{"helm.sh", "k8s.io/client-go/kubernetes"}},
	{"cmd/helm-reconcile", []string{"internal/jsonl", "internal/stage", "internal/kube", "internal/reconcile", "internal/helmrel", "internal/gitrepo", "internal/manifest", "github.com/urfave/cli/v2", "k8s.io/apimachinery"}, []string{module + "internal/registry", module + "internal/yamledit"}},
}

// listed is what go list tells of a package, without its tests.
type listed struct {
	ImportPath string
	Standard   bool
	Imports    []string
	Deps       []string
}

func TestImportTable(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-json=ImportPath,Standard,Imports,Deps", "./internal/...", "./cmd/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	packages := map[string]listed{}
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		packages[p.ImportPath] = p
	}
	ruled := map[string]bool{}
	for _, rule := range table {
		p, found := packages[module+rule.pkg]
		if !found {
			t.Errorf("%s stands in the table and not in the tree", rule.pkg)
			continue
		}
		ruled[p.ImportPath] = true
		for _, imported := range p.Imports {
			if !packages[imported].Standard && !allowed(imported, rule.may) {
				t.Errorf("%s may not import %s", rule.pkg, imported)
			}
		}
		for _, dep := range p.Deps {
			for _, never := range rule.never {
				if below(dep, never) {
					t.Errorf("%s never links %s, and now does", rule.pkg, dep)
				}
			}
		}
	}
	for name, p := range packages {
		ours := strings.HasPrefix(name, module)
		switch {
		case ours && strings.HasPrefix(name, module+"internal/testkit/"):
		case ours && !ruled[name]:
			t.Errorf("%s has no row in the table", name)
		case ours && slices.ContainsFunc(p.Imports, func(i string) bool { return below(i, module+"internal/testkit") }):
			t.Errorf("%s imports the testkit", name)
		}
	}
}

func allowed(imported string, may []string) bool {
	return slices.ContainsFunc(may, func(m string) bool {
		if strings.HasPrefix(m, "internal/") {
			return imported == path.Join(module, m)
		}
		return below(imported, m)
	})
}

// below says whether a package is that one or stands below it; a bare host, or a path that a
// version follows, counts too.
func below(pkg, top string) bool { return pkg == top || strings.HasPrefix(pkg, top+"/") }
