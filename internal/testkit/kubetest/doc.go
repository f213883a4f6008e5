// Package kubetest runs a real Kubernetes control plane for tests and the demo: it builds
// test/kubebox once, starts it on loopback, counts what is asked of it, makes users with few
// rights, and stands between a client and the API server to break things.
//
// A test package starts at most one, when its first test asks for it:
//
//	func TestMain(m *testing.M) { os.Exit(kubetest.Main(m)) }
//
//	func TestX(t *testing.T) {
//		cluster := kubetest.Shared(t)
//		namespace := cluster.Namespace(t)
//		…
//	}
//
// Programs use [Start] and [Cluster.Stop]. The control plane dies with its parent, however that ends.
package kubetest
