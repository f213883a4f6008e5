package main

import (
	"testing"

	"github.com/sluice-gitops/sluice/internal/testkit/script"
)

func TestMain(m *testing.M) { script.Main(m, app) }

func TestScripts(t *testing.T) { script.Run(t, "testdata", setup) }
