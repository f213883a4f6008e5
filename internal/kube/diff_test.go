package kube

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestChangeIsForPeople(t *testing.T) {
	before := `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"a","uid":"1","resourceVersion":"2","managedFields":[],
		"annotations":{"` + lastApplied + `":"canary"}},"spec":{"n":12345678901234567890,"replicas":1,"containers":[
		{"name":"web","env":[{"name":"DB_PASSWORD","value":"canary"},{"name":"MODE","value":"fast"}],"envFrom":[{"secretRef":{"name":"db"}}]}],
		"volumes":[{"secret":{"secretName":"tls"}}],"dbPassword":"canary","automountServiceAccountToken":false},"status":{"replicas":1}}`
	after := strings.NewReplacer(`"replicas":1,`, `"replicas":2,`, `"value":"canary"`, `"value":"canary2"`).Replace(before)
	c, err := NewChange(json.RawMessage(before), json.RawMessage(after))
	if err != nil {
		t.Fatal(err)
	}
	want := `apiVersion: apps/v1
kind: Deployment
metadata:
  annotations:
    kubectl.kubernetes.io/last-applied-configuration: '***'
  name: a
spec:
  automountServiceAccountToken: false
  containers:
  - env:
    - name: DB_PASSWORD
      value: '*** (before)'
    - name: MODE
      value: fast
    envFrom:
    - secretRef:
        name: db
    name: web
  dbPassword: '***'
  "n": 12345678901234567890
  replicas: 1
  volumes:
  - secret:
      secretName: tls
`
	if string(c.Before) != want {
		t.Errorf("before:\n%s", c.Before)
	}
	want = strings.NewReplacer("(before)", "(after)", "replicas: 1", "replicas: 2").Replace(want)
	if string(c.After) != want {
		t.Errorf("after:\n%s", c.After)
	}
}

func TestChangeOfASecretShowsNoValue(t *testing.T) {
	secret := func(rest string) json.RawMessage {
		return json.RawMessage(`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a","annotations":{"` + lastApplied + `":"canary"}},` + rest + `}`)
	}
	for _, one := range []struct{ before, after, was, is string }{
		{`"data":{"a":"canary","b":"canary"}`, `"data":{"a":"canary","b":"canary2"}`, "a: '***' b: '*** (before)'", "a: '***' b: '*** (after)'"},
		{`"data":{"a":"canary"}`, `"data":{"b":"canary"}`, "a: '***'", "b: '***'"},
		{`"data":{"a":"canary"}`, `"type":"canary-free"`, "a: '***'", ""},
		{`"data":"canary"`, `"data":["canary"]`, "data: '*** (before)'", "data: '*** (after)'"},
		{`"data":{"a":{"b":["canary"]}}`, `"data":{"a":{"b":["canary2"]}}`, "a: b: '*** (before)'", "a: b: '*** (after)'"},
		{`"data":null`, `"stringData":{"a":"canary"}`, "", "stringData: a: '***'"},
	} {
		c, err := NewChange(secret(one.before), secret(one.after))
		if err != nil {
			t.Fatal(err)
		}
		was, is := strings.Join(strings.Fields(string(c.Before)), " "), strings.Join(strings.Fields(string(c.After)), " ")
		if !strings.Contains(was, one.was) || !strings.Contains(is, one.is) || strings.Contains(strings.ReplaceAll(was+is, "canary-free", ""), "canary") {
			t.Errorf("%s to %s:\n%s\n%s", one.before, one.after, was, is)
		}
		created, err := NewChange(nil, secret(one.after))
		if err != nil || created.Before != nil || strings.Contains(strings.ReplaceAll(string(created.After), "canary-free", ""), "canary") {
			t.Errorf("created: %v\n%s", err, created.After)
		}
	}
}

func TestChangeHidesWhatIsNamedLikeACredential(t *testing.T) {
	object := func(rest string) json.RawMessage {
		return json.RawMessage(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},` + rest + `}`)
	}
	for _, one := range []struct{ before, after, is string }{
		{`"password":1`, `"password":"canary"`, "password: '*** (after)'"},
		{`"pin":1,"password":4711`, `"password":4712`, "password: '*** (after)'"},
		{`"tokens":["a"]`, `"tokens":["canary",7]`, "tokens: '*** (after)'"},
		{`"password":"a"`, `"password":"***canary"`, "password: '*** (after)'"},
		{`"args":["--db-password=a"]`, `"args":["--db-password=canary=x"]`, "- --db-password=*** (after)"},
		{`"args":["--token","a","b"]`, `"args":["--token","canary","b"]`, "- --token - '*** (after)' - b"},
		{`"args":["--token-file","a"]`, `"args":["--token-file","b"]`, "- --token-file - b"},
		{`"args":["--token","--other"]`, `"args":["--token","--others"]`, "- --token - --others"},
		{`"env":[{"name":"DB_URL","value":"postgres://u:a@h/d"}]`, `"env":[{"name":"DB_URL","value":"postgres://u:canary@h/e"}]`, "postgres://u:*** (after)@h/e"},
		{`"urls":["https://u:a@h"]`, `"urls":["https://u:canary@h"]`, "https://u:*** (after)@h"},
		{`"automountServiceAccountToken":true`, `"automountServiceAccountToken":false`, "automountServiceAccountToken: false"},
		{`"imagePullSecrets":[{"name":"a"}]`, `"imagePullSecrets":[{"name":"b"}]`, "- name: b"},
	} {
		c, err := NewChange(object(one.before), object(one.after))
		if err != nil {
			t.Fatal(err)
		}
		is := strings.Join(strings.Fields(string(c.After)), " ")
		if !strings.Contains(is, one.is) || strings.Contains(is, "canary") || strings.Contains(is, "471") {
			t.Errorf("%s to %s:\n%s", one.before, one.after, is)
		}
	}
	copied := json.RawMessage(`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a","annotations":{"kapp.k14s.io/original":"{\"data\":\"canary\"}"}}}`)
	if c, err := NewChange(nil, copied); err != nil || strings.Contains(string(c.After), "canary") {
		t.Errorf("%v\n%s", err, c.After)
	}
}

func FuzzChange(f *testing.F) {
	f.Add(`{"apiVersion":"v1","kind":"Secret","data":{"a":"canary"}}`, `{"apiVersion":"v1","kind":"Secret","data":{"a":["canary"]}}`)
	f.Add(`{"metadata":{"annotations":[]},"env":[{"name":"TOKEN","value":"x"}]}`, `{"env":{"name":1}}`)
	f.Fuzz(func(t *testing.T, before, after string) {
		var one, other map[string]any
		if json.Unmarshal([]byte(before), &one) != nil || json.Unmarshal([]byte(after), &other) != nil || one == nil || other == nil {
			return
		}
		other["apiVersion"], other["kind"], other["data"] = "v1", "Secret", map[string]any{"k": "canary-in-a-secret"}
		raw, err := json.Marshal(other)
		if err != nil {
			return
		}
		c, err := NewChange(json.RawMessage(before), raw)
		if err == nil && strings.Contains(string(c.After), "canary-in-a-secret") {
			t.Errorf("a value:\n%s", c.After)
		}
	})
}
