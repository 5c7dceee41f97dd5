package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// scripts returns the files of the scripts that measure memory, or of the others.
func scripts(t *testing.T, measured bool) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", "testdata", "script", "*.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(text, []byte("\npeak ")) == measured {
			list = append(list, f)
		}
	}
	if len(list) == 0 {
		t.Fatal("there are no scripts")
	}
	return list
}

// TestScriptAlone runs the scripts that measure memory, one by one: a process that
// waits for a processor collects its garbage late, and what it has then is no property
// of the program.
func TestScriptAlone(t *testing.T) {
	testscript.RunT(oneByOne{t}, scriptParams(scripts(t, true)))
}

// oneByOne is a test that runs nothing beside anything.
type oneByOne struct{ *testing.T }

// Parallel implements [testscript.T].
func (oneByOne) Parallel() {}

// Run implements [testscript.T].
func (o oneByOne) Run(name string, f func(testscript.T)) {
	o.T.Run(name, func(t *testing.T) { f(oneByOne{t}) })
}

// Verbose implements [testscript.T].
func (oneByOne) Verbose() bool { return testing.Verbose() }
