package kube

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestGoingWithATakeOver(t *testing.T) {
	object := `{"data":{"kept":"1","gone":"2","shared":"3"},"metadata":{"annotations":{"` + lastApplied + `":"…","a":"b"}},
		"spec":{"ports":[{"port":80,"protocol":"TCP"},{"port":81,"protocol":"TCP"}],"set":["x","y"],"defaulted":true}}`
	m := &partialMetadata{Annotations: map[string]string{lastApplied: `{"data":{"kept":"1","gone":"2","shared":"3"},"spec":{"ports":[{"port":80},{"port":81}],"set":["x","y"]}}`},
		ManagedFields: []managed{
			entryOf("kubectl-client-side-apply", "Update", `{"f:data":{".":{},"f:kept":{},"f:gone":{},"f:shared":{}},"f:spec":{"f:defaulted":{},
				"f:ports":{"k:{\"port\":80,\"protocol\":\"TCP\"}":{".":{},"f:port":{}},"k:{\"port\":81,\"protocol\":\"TCP\"}":{".":{},"f:port":{}}},"f:set":{"v:\"x\"":{},"v:\"y\"":{}}}}`),
			entryOf(Manager, "Apply", `{"f:data":{"f:kept":{}},"f:spec":{"f:ports":{"k:{\"port\":80,\"protocol\":\"TCP\"}":{".":{},"f:port":{}}},"f:set":{"v:\"x\"":{}}}}`),
			entryOf("other", "Update", `{"f:data":{"f:shared":{}}}`),
		}}
	going := goingWith(m)
	var names []string
	for _, path := range going {
		names = append(names, path.String())
	}
	if got := strings.Join(names, " "); got != `.data.gone .spec.ports[port=81,protocol="TCP"] .spec.set[="y"]` {
		t.Errorf("going: %s", got)
	}
	left, err := withoutFields(json.RawMessage(object), going)
	want := `{"data":{"kept":"1","shared":"3"},"metadata":{"annotations":{"a":"b"}},"spec":{"defaulted":true,"ports":[{"port":80,"protocol":"TCP"}],"set":["x"]}}`
	if err != nil || string(left) != want {
		t.Errorf("left (%v):\n%s\nwant\n%s", err, left, want)
	}
	m.Annotations = nil
	if going := goingWith(m); going != nil {
		t.Errorf("without the annotation nobody knows, and said is %v", going)
	}
}
