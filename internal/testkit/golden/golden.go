// Package golden compares what a test got with a file, and writes the file anew under -update.
package golden

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
)

// Update is the flag -update: golden files are written instead of compared.
var Update = flag.Bool("update", false, "write golden files instead of comparing with them")

// Check fails the test where got is not what the file holds.
func Check(t testing.TB, file string, got []byte) {
	t.Helper()
	if *Update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != string(got) {
		t.Errorf("%s is not current: run the test with -update and look at the difference", file)
	}
}
