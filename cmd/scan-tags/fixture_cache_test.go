package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sluice-gitops/sluice/internal/testkit/memcachetest"
	"github.com/sluice-gitops/sluice/internal/testkit/registrytest"
)

func scriptImage(_ *testscript.TestScript, w *world, args []string) error {
	created, err := after(args[2])
	if err != nil {
		return err
	}
	kind := registrytest.Kind{Labels: map[string]string{}}
	for _, label := range args[3:] {
		key, value, _ := strings.Cut(label, "=")
		kind.Labels[key] = value
	}
	_, err = w.registry.PushKind(args[0], args[1], created, kind)
	return err
}

func scriptMany(_ *testscript.TestScript, w *world, args []string) error {
	n, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	for i := range n {
		at := time.Date(2026, 1, 1, 0, i, 0, 0, time.UTC)
		if _, err := w.registry.Push(args[0], fmt.Sprintf("t%04d", i), at); err != nil {
			return err
		}
	}
	return nil
}

func scriptAwait(_ *testscript.TestScript, w *world, args []string) error {
	match := regexp.MustCompile(args[0])
	for range 1000 {
		if slices.ContainsFunc(w.Requests(), match.MatchString) {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return fmt.Errorf("no request %s", args[0])
}

func scriptMemcached(ts *testscript.TestScript, _ *world, _ []string) error {
	server, err := memcachetest.Start()
	if err != nil {
		return err
	}
	ts.Defer(func() { _ = server.Close() })
	ts.Setenv("MEMCACHED", server.Addr())
	return nil
}

func scriptStill(ts *testscript.TestScript, _ *world, args []string) error {
	var out bytes.Buffer
	entries, err := os.ReadDir(ts.MkAbs(args[0]))
	if err != nil {
		return err
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			return err
		}
		fmt.Fprintln(&out, info.Name(), info.ModTime().UnixNano(), info.Mode())
	}
	if out.Len() == 0 {
		return fmt.Errorf("%s is empty", args[0])
	}
	return os.WriteFile(ts.MkAbs(args[1]), out.Bytes(), 0o600)
}

func scriptPoison(ts *testscript.TestScript, _ *world, args []string) error {
	files, err := filepath.Glob(filepath.Join(ts.MkAbs(args[0]), "*"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("no files in %s: %w", args[0], err)
	}
	var texts [][]byte
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		texts = append(texts, text)
	}
	for i, file := range files {
		text := texts[i]
		switch args[1] {
		case "cut":
			text = text[:len(text)-5]
		case "flip":
			text[len(text)/2] ^= 1
		case "swap":
			text = texts[len(texts)-1-i]
		}
		if err := os.WriteFile(file, text, 0o600); err != nil {
			return err
		}
	}
	return nil
}
