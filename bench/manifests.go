package main

import (
	"bytes"
	"fmt"
	"strings"

	"sigs.k8s.io/yaml"
)

const (
	// applyNamespaces is how many the objects of a set lie in, applyKinds how many kinds they are of.
	applyNamespaces = 10
	applyKinds      = 6
	// editable is how many objects of a set are told apart by its version.
	editable = 10
)

// objectSet are the manifests of a set of n objects besides their Namespaces, one file a namespace: ConfigMaps, Services,
// ServiceAccounts, and Deployments without replicas whose quantities the API server writes in another
// way; in each namespace a Secret with stringData and a ConfigMap that admission edits. The first ConfigMap of each bears the version.
func objectSet(set string, n, version int) map[string]string {
	files := map[string]string{}
	for ns := range applyNamespaces {
		namespace := fmt.Sprintf("%s-%d", set, ns)
		var b strings.Builder
		fmt.Fprintf(&b, "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: %s\n  labels: {bench: %s}\n", namespace, set)
		for i := range n / applyNamespaces {
			kind := []string{"ConfigMap", "Service", "ServiceAccount", "Deployment"}[i%4]
			api, body := "v1", ""
			switch {
			case i == 0:
				body = fmt.Sprintf("data: {version: \"%d\"}\n", version)
			case i == 4:
				kind, body = "Secret", "stringData: {password: none}\n"
			case i == 8:
				body = "data: {edited: by git}\n"
			case kind == "ConfigMap":
				body = "data:\n  settings.yaml: |\n" + strings.Repeat("    key: a value of some length\n", 20)
			case kind == "Service":
				body = fmt.Sprintf("spec:\n  selector: {app: app-%d}\n  ports:\n  - {name: http, port: 80, targetPort: 8080}\n", i)
			case kind == "Deployment":
				api, body = "apps/v1", fmt.Sprintf(deployment, i, i)
			}
			fmt.Fprintf(&b, "---\napiVersion: %s\nkind: %s\nmetadata:\n  name: app-%d\n  namespace: %s\n  labels: {bench: %s}\n%s",
				api, kind, i, namespace, set, body)
		}
		files[fmt.Sprintf("%02d.yaml", ns)] = b.String()
	}
	return files
}

const deployment = `spec:
  replicas: 0
  selector:
    matchLabels: {app: app-%d}
  template:
    metadata:
      labels: {app: app-%d}
    spec:
      containers:
      - name: main
        image: ghcr.io/example/app:1.0.0
        ports:
        - {name: http, containerPort: 8080}
        resources:
          requests: {cpu: 1000m, memory: 1024Mi}
        readinessProbe:
          httpGet: {path: /healthz, port: http}
`

// join makes one file of them, in the order of their names.
func join(files map[string]string) string {
	var texts []string
	for ns := range len(files) {
		texts = append(texts, files[fmt.Sprintf("%02d.yaml", ns)])
	}
	return strings.Join(texts, "---\n")
}

// jsonLines is an object a line, of documents in YAML.
func jsonLines(documents string) (string, error) {
	var b bytes.Buffer
	for document := range strings.SplitSeq(documents, "---\n") {
		line, err := yaml.YAMLToJSON([]byte(document))
		if err != nil {
			return "", err
		}
		b.Write(append(line, '\n'))
	}
	return b.String(), nil
}
