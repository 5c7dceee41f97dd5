package main

import (
	"debug/buildinfo"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// evaluator builds hallmark-policy, a module of its own, once for all scripts.
type evaluator struct {
	once sync.Once
	text []byte
	err  error
}

func (e *evaluator) build() ([]byte, error) {
	e.once.Do(func() {
		var dir string
		if dir, e.err = os.MkdirTemp("", "hallmark-policy"); e.err != nil {
			return
		}
		defer os.RemoveAll(dir)
		file := filepath.Join(dir, "built")
		build := exec.Command("go", "build", "-C", "../hallmark-policy", "-o", file, ".")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		build.Stderr = os.Stderr
		if e.err = build.Run(); e.err == nil {
			e.text, e.err = os.ReadFile(file)
		}
	})
	return e.text, e.err
}

// beside puts hallmark into a directory, with hallmark-policy beside it: beside DIR
func (e *evaluator) beside(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: beside DIR")
	}
	self, err := os.Executable()
	ts.Check(err)
	text, err := os.ReadFile(self)
	ts.Check(err)
	other, err := e.build()
	ts.Check(err)
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o755))
	ts.Check(os.WriteFile(filepath.Join(dir, "hallmark"), text, 0o755))
	ts.Check(os.WriteFile(filepath.Join(dir, "hallmark-policy"), other, 0o755))
}

// checkPolicyProgram: the languages of policies are in hallmark-policy alone, and a
// release starts the one of that digest alone, and says so.
func checkPolicyProgram(t *testing.T, hallmark, sum string) {
	t.Helper()
	info, err := buildinfo.ReadFile(hallmark)
	if err != nil || len(info.Deps) < 20 {
		t.Fatalf("%v, %+v", err, info)
	}
	for _, d := range info.Deps {
		for _, not := range []string{"cuelang.org/go", "cuelabs.dev/", "github.com/open-policy-agent/"} {
			if strings.HasPrefix(d.Path, not) {
				t.Errorf("hallmark links %s", d.Path)
			}
		}
	}
	if out, err := exec.Command(hallmark, "version").Output(); err != nil || !strings.Contains(string(out), "hallmark-policy sha256:"+sum) {
		t.Errorf("%v, %s", err, out)
	}
}
