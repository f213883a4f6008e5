package main

import (
	"encoding/json"
	"testing"
)

func TestHolds(t *testing.T) {
	const live = `{"a": {"b": ["x", {"c": 1, "d": 2}]}, "e": true}`
	for want, holding := range map[string]bool{
		`{}`:                               true,
		`{"a": {"b": ["x", {"c": 1}]}}`:    true,
		`{"a": {"b": ["x", {"c": "1"}]}}`:  false,
		`{"a": {"b": ["x"]}}`:              false,
		`{"a": {"b": ["x", {"c": 1}, 1]}}`: false,
		`{"a": {"b": {"x": 1}}}`:           false,
		`{"e": true, "f": "missing"}`:      false,
	} {
		var is, wanted any
		if err := json.Unmarshal([]byte(live), &is); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(want), &wanted); err != nil {
			t.Fatal(err)
		}
		if got := holds(is, wanted); got != holding {
			t.Errorf("%s: %v", want, got)
		}
	}
}
