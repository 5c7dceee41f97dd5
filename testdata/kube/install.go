package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// The versions of the programs, and the modules that their sources come from.
const (
	kubeVersion = "v1.37.2"
	staging     = "v0.37.2" // of the modules that Kubernetes publishes beside itself
	etcdVersion = "v3.6.7"
)

// A tool is a program that is built from a Go module into the cache, once.
type tool struct{ name, module, version, pkg string }

func tools() []tool {
	return []tool{
		{"kube-apiserver", "k8s.io/kubernetes", kubeVersion, "k8s.io/kubernetes/cmd/kube-apiserver"},
		{"kubectl", "k8s.io/kubernetes", kubeVersion, "k8s.io/kubernetes/cmd/kubectl"},
		{"etcd", "go.etcd.io/etcd/server/v3", etcdVersion, "go.etcd.io/etcd/server/v3"},
	}
}

// install builds what is missing below cache and returns the folder.
func install(ctx context.Context, cache string) (string, error) {
	dir := filepath.Join(cache, "kube")
	for _, t := range tools() {
		if _, err := os.Stat(filepath.Join(dir, t.name)); err == nil {
			continue
		}
		if err := t.build(ctx, dir); err != nil {
			return "", fmt.Errorf("build %s: %w", t.name, err)
		}
	}
	return dir, nil
}

// build makes a scratch module that asks for the program and builds it there.
func (t tool) build(ctx context.Context, dir string) error {
	begun := time.Now()
	fmt.Fprintf(os.Stderr, "building %s %s; this can take half an hour, once\n", t.name, t.version)
	scratch, err := os.MkdirTemp("", "hallmark-kube-build-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	mod, err := t.goMod(ctx, scratch)
	if err != nil {
		return err
	}
	text := "package scratch\n\nimport _ \"" + t.pkg + "\"\n"
	for name, text := range map[string]string{"go.mod": mod, "tools.go": "//go:build tools\n\n" + text} {
		if err := os.WriteFile(filepath.Join(scratch, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	if _, err := goTool(ctx, scratch, "mod", "tidy"); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	tmp := filepath.Join(dir, "."+t.name)
	defer os.Remove(tmp)
	version := "k8s.io/component-base/version"
	flags := "-s -w -X " + version + ".gitVersion=" + kubeVersion + " -X " + version + ".gitMajor=1 -X " + version + ".gitMinor=37" +
		" -X k8s.io/client-go/pkg/version.gitVersion=" + kubeVersion
	if _, err := goTool(ctx, scratch, "build", "-trimpath", "-ldflags", flags, "-o", tmp, t.pkg); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "built %s in %s\n", t.name, time.Since(begun).Round(time.Second))
	return os.Rename(tmp, filepath.Join(dir, t.name))
}

// goMod returns the scratch module's go.mod. Kubernetes takes the modules beside
// it from its own tree; here they come from where they are published.
func (t tool) goMod(ctx context.Context, scratch string) (string, error) {
	if err := os.WriteFile(filepath.Join(scratch, "go.mod"), []byte("module scratch\n"), 0o600); err != nil {
		return "", err
	}
	out, err := goTool(ctx, scratch, "mod", "download", "-json", t.module+"@"+t.version)
	if err != nil {
		return "", err
	}
	var info struct{ GoMod string }
	if err := json.Unmarshal(out, &info); err != nil {
		return "", err
	}
	raw, err := os.ReadFile(info.GoMod)
	if err != nil {
		return "", err
	}
	text := "module scratch\n\n"
	for line := range strings.Lines(string(raw)) {
		if strings.HasPrefix(line, "go ") || strings.HasPrefix(line, "godebug ") {
			text += line
		}
	}
	text += "\nrequire " + t.module + " " + t.version + "\n"
	for _, m := range regexp.MustCompile(`(\S+) => \./staging`).FindAllSubmatch(raw, -1) {
		text += fmt.Sprintf("replace %s => %s %s\n", m[1], m[1], staging)
	}
	return text, nil
}

func goTool(ctx context.Context, dir string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod -buildvcs=false", "CGO_ENABLED=0")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		text := errs.String()
		return nil, fmt.Errorf("go %s: %w\n%s", args[0], err, text[max(0, len(text)-2000):])
	}
	return out.Bytes(), nil
}
