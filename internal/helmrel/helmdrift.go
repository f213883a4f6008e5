package helmrel

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	"helm.sh/helm/v3/pkg/kube"
	"k8s.io/apimachinery/pkg/api/meta"

	sluice "github.com/sluice-gitops/sluice/internal/kube"
)

// drift compares the objects of a revision with its manifest, by asking Helm to bring them to where they
// should be. Unless they are to be corrected each change is a dry run, of which the API server's answer
// counts: what it writes in another way than the chart does is no drift. It names what differs, sorted.
func (s *session) drift(version int, correct bool) (names []string, err error) {
	found, err := s.store.revision(version)
	if err != nil {
		return nil, fmt.Errorf("reading revision %d: %w", version, err)
	}
	was, err := s.client.Client.Build(strings.NewReader(found.Manifest), false)
	if err != nil || len(was) == 0 {
		return nil, err
	}
	wanted, err := s.client.Client.Build(strings.NewReader(found.Manifest), false)
	if err != nil {
		return nil, err
	}
	if err := s.owned(wanted, nil, false); err != nil {
		return nil, err
	}
	if err := s.own(wanted); err != nil {
		return nil, err
	}
	p := &probe{dry: !correct, found: map[string]bool{}}
	defer func() { s.changes = p.changes }()
	s.client.sight.probe = p
	defer func() { s.client.sight.probe = nil }()
	var looking errgroup.Group
	looking.SetLimit(lookLimit)
	for i := range wanted {
		looking.Go(func() error {
			_, err := s.client.Client.UpdateThreeWayMerge(kube.ResourceList{was[i]}, kube.ResourceList{wanted[i]}, false)
			return err
		})
	}
	err = looking.Wait()
	return slices.Sorted(maps.Keys(p.found)), err
}

// own marks objects as Helm and this program do.
func (s *session) own(list kube.ResourceList) error {
	access := meta.NewAccessor()
	for _, info := range list {
		labels, err := access.Labels(info.Object)
		if err != nil {
			return err
		}
		labels = maps.Clone(labels)
		if labels == nil {
			labels = map[string]string{}
		}
		labels["app.kubernetes.io/managed-by"] = "Helm"
		annotations, err := access.Annotations(info.Object)
		if err != nil {
			return err
		}
		annotations = maps.Clone(annotations)
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[releaseAnnotations.name], annotations[releaseAnnotations.namespace] = s.id.Name, s.id.Namespace
		annotations[Antecedent] = antecedent(s.client.owner)
		if err := access.SetLabels(info.Object, labels); err != nil {
			return err
		}
		if err := access.SetAnnotations(info.Object, annotations); err != nil {
			return err
		}
	}
	return nil
}

// probe notes what requests would change, or change.
type probe struct {
	dry   bool
	mu    sync.Mutex
	found map[string]bool

	changes []ObjectChange
}

// send sends a write, and compares the answer with what was there before.
func (p *probe) send(r *http.Request, next http.RoundTripper, before *answer) (*http.Response, error) {
	if p.dry {
		r = r.Clone(r.Context())
		query, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil {
			return nil, err
		}
		query.Set("dryRun", "All")
		r.URL.RawQuery = query.Encode()
	}
	response, err := next.RoundTrip(r)
	if err != nil || response.StatusCode > 299 {
		return response, err
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	p.compare(before, body)
	return response, nil
}

func (p *probe) compare(before *answer, after []byte) {
	is := plainObject(after)
	metadata, _ := is["metadata"].(map[string]any)
	name := fmt.Sprintf("%v %v", is["kind"], metadata["name"])
	p.mu.Lock()
	defer p.mu.Unlock()
	if before == nil || before.status != http.StatusOK {
		p.found[name+" is gone"] = true
		p.change(name, nil, after)
		return
	}
	if fields := differing("", plainObject(before.body), is); len(fields) > 0 {
		const few = 3
		text := strings.Join(fields[:min(few, len(fields))], ", ")
		if len(fields) > few {
			text += fmt.Sprintf(" and %d more", len(fields)-few)
		}
		p.found[name+" differs in "+text] = true
		p.change(name, before.body, after)
	}
}

// change keeps what people may see of it. What cannot be shown is named all the same.
func (p *probe) change(name string, before, after []byte) {
	if c, err := sluice.NewChange(before, after); err == nil {
		p.changes = append(p.changes, ObjectChange{Object: name, Change: *c, Live: true})
	}
}

// plainObject is an object without what the API server notes of it.
func plainObject(body []byte) map[string]any {
	var object map[string]any
	if json.Unmarshal(body, &object) != nil {
		return nil
	}
	delete(object, "status")
	if metadata, ok := object["metadata"].(map[string]any); ok {
		for _, key := range []string{"managedFields", "resourceVersion", "generation", "creationTimestamp", "uid"} {
			delete(metadata, key)
		}
	}
	return object
}

// differing are the fields in which two objects differ, sorted; a list is one field.
func differing(at string, a, b map[string]any) []string {
	keys := map[string]bool{}
	for _, m := range []map[string]any{a, b} {
		for key := range m {
			keys[key] = true
		}
	}
	var fields []string
	for _, key := range sortedKeys(keys) {
		x, isMap := a[key].(map[string]any)
		y, both := b[key].(map[string]any)
		switch {
		case isMap && both:
			fields = append(fields, differing(at+"."+key, x, y)...)
		case !reflect.DeepEqual(a[key], b[key]):
			fields = append(fields, at+"."+key)
		}
	}
	return fields
}
