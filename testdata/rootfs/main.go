// Command rootfs seals an image that is made of a real Debian root file system,
// real Go binaries and a real npm project, and compares the SBOM with what
// dpkg, go and npm say themselves. It needs root, mmdebstrap and npm, and the
// network for Debian's and npm's packages.
package main

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/hallmark-oci/hallmark/testdata/lab"
)

func main() {
	lab.Main()
	hallmark := flag.String("hallmark", "bin/hallmark", "the hallmark to test")
	cache := flag.String("cache", "", "folder that keeps the root file system")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, *hallmark, *cache)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "rootfs:", err)
		os.Exit(1)
	}
}

// trial is one run: the truth about each ecosystem as "name version".
type trial struct {
	ctx   context.Context
	dir   string
	truth map[string][]string
}

func run(ctx context.Context, hallmark, cache string) error {
	hallmark, err := filepath.Abs(hallmark)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "hallmark-rootfs-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	t := &trial{ctx: ctx, dir: dir, truth: make(map[string][]string)}
	system, err := t.debian(cache)
	if err != nil {
		return err
	}
	binaries, err := t.goBinaries(hallmark)
	if err != nil {
		return err
	}
	project, err := t.npmProject(cache)
	if err != nil {
		return err
	}
	r := lab.Memory(false)
	defer r.Close()
	image := r.Host + "/rootfs/app:1"
	if err := push(image, system, binaries, project); err != nil {
		return err
	}
	cmd := lab.Command{Path: hallmark, Dir: dir, Env: []string{"HOME=" + dir, "HALLMARK_PASSWORD=rootfs"}}
	for _, line := range [][]string{
		{"key", "generate"},
		{"seal", "--key", "hallmark.key", "--sbom-format", "cyclonedx-json", image},
		{"verify", "--key", "hallmark.pub", "--sbom", "--deep", image},
		{"get", "sbom", "--key", "hallmark.pub", "-o", "sbom.json", image},
	} {
		res, err := cmd.Must(ctx, line...)
		if err != nil {
			return err
		}
		fmt.Printf("hallmark %-8s %4d ms CPU, %3d MB, %d ms\n", line[0], res.CPU.Milliseconds(), res.RSS>>20, res.Wall.Milliseconds())
	}
	return t.compare(filepath.Join(dir, "sbom.json"))
}

// output runs a program and returns what it printed.
func (t *trial) output(dir, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(t.ctx, program, args...)
	cmd.Dir = dir
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", program, strings.Join(args, " "), err, errs.String())
	}
	return string(out), nil
}

// debian makes the root file system once and asks dpkg what is in it.
func (t *trial) debian(cache string) (string, error) {
	path := filepath.Join(cache, "rootfs.tar")
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(cache, 0o755); err != nil {
			return "", err
		}
		part := filepath.Join(cache, "rootfs.part.tar")
		if _, err := t.output("", "mmdebstrap", "--variant=apt", "--include=curl,python3-minimal,perl,git", "bookworm", part); err != nil {
			return "", err
		}
		if err := os.Rename(part, path); err != nil {
			return "", err
		}
	}
	admin := filepath.Join(t.dir, "admin")
	if err := os.MkdirAll(admin, 0o755); err != nil {
		return "", err
	}
	if _, err := t.output("", "tar", "-xf", path, "-C", admin, "--strip-components=4", "./var/lib/dpkg/status"); err != nil {
		return "", err
	}
	out, err := t.output("", "dpkg-query", "--admindir="+admin, "-W", "-f", "${db:Status-Status} ${Package} ${Version}\n")
	if err != nil {
		return "", err
	}
	for _, line := range strings.Split(strings.TrimSpace(out), "\n") {
		state, pkg, _ := strings.Cut(line, " ")
		if state == "installed" || state == "half-configured" {
			t.truth["deb"] = append(t.truth["deb"], pkg)
		}
	}
	return path, nil
}

// goBinaries packs hallmark and the Go tools, and asks go what is in them.
func (t *trial) goBinaries(hallmark string) (string, error) {
	dir := filepath.Join(t.dir, "go", "usr", "local", "bin")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	goroot, err := t.output("", "go", "env", "GOROOT")
	if err != nil {
		return "", err
	}
	sources := []string{hallmark, filepath.Join(strings.TrimSpace(goroot), "bin", "gofmt"), filepath.Join(strings.TrimSpace(goroot), "bin", "go")}
	for _, src := range sources {
		raw, err := os.ReadFile(src)
		if err != nil {
			return "", err
		}
		dst := filepath.Join(dir, filepath.Base(src))
		if err := os.WriteFile(dst, raw, 0o755); err != nil {
			return "", err
		}
		out, err := t.output("", "go", "version", "-m", dst)
		if err != nil {
			return "", err
		}
		t.goModules(out)
	}
	return t.pack("go")
}

// goModules reads what 'go version -m' prints: dep and => lines.
func (t *trial) goModules(out string) {
	lines := strings.Split(out, "\n")
	for i, line := range lines {
		f := strings.Fields(line)
		if len(f) < 3 || f[0] != "dep" {
			continue
		}
		if i+1 < len(lines) {
			if next := strings.Fields(lines[i+1]); len(next) >= 3 && next[0] == "=>" {
				f = append([]string{"dep"}, next[1:]...)
			}
		}
		t.truth["golang"] = append(t.truth["golang"], f[1]+" "+f[2])
	}
}

// npmProject installs a real project and asks npm what is in it.
func (t *trial) npmProject(cache string) (string, error) {
	dir := filepath.Join(cache, "npm", "srv", "app")
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return "", err
		}
		manifest := `{"name":"rootfs-app","version":"1.0.0","dependencies":{"express":"4.21.2","@babel/core":"7.26.0","left-pad":"1.3.0"}}`
		if err := os.WriteFile(filepath.Join(dir, "package.json"), []byte(manifest), 0o644); err != nil {
			return "", err
		}
		if _, err := t.output(dir, "npm", "install", "--no-audit", "--no-fund", "--ignore-scripts"); err != nil {
			return "", err
		}
	}
	out, err := t.output(dir, "npm", "ls", "--all", "--json")
	if err != nil {
		return "", err
	}
	var root node
	if err := json.Unmarshal([]byte(out), &root); err != nil {
		return "", err
	}
	t.npmNodes(root)
	if err := os.Symlink(filepath.Join(cache, "npm"), filepath.Join(t.dir, "npm")); err != nil {
		return "", err
	}
	return t.pack("npm")
}

// A node is a package in the tree that npm prints.
type node struct {
	Version      string          `json:"version"`
	Dependencies map[string]node `json:"dependencies"`
}

func (t *trial) npmNodes(n node) {
	for name, child := range n.Dependencies {
		if child.Version != "" { // an optional one that is not installed has none
			t.truth["npm"] = append(t.truth["npm"], name+" "+child.Version)
		}
		t.npmNodes(child)
	}
}

// pack makes a layer of a directory.
func (t *trial) pack(name string) (string, error) {
	path := filepath.Join(t.dir, name+".tar")
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	w := tar.NewWriter(f)
	if err := w.AddFS(os.DirFS(filepath.Join(t.dir, name))); err != nil {
		return "", err
	}
	return path, w.Close()
}

func push(ref string, layers ...string) error {
	img, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{OS: "linux", Architecture: "amd64"})
	if err != nil {
		return err
	}
	for _, path := range layers {
		layer, err := tarball.LayerFromFile(path)
		if err != nil {
			return err
		}
		if img, err = mutate.AppendLayers(img, layer); err != nil {
			return err
		}
	}
	tag, err := name.NewTag(ref)
	if err != nil {
		return err
	}
	return remote.Write(tag, img)
}

// compare reads the package URLs of the SBOM and reports what is missing and
// what is there beyond the truth.
func (t *trial) compare(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var doc struct {
		Components []struct {
			PURL string `json:"purl"`
		} `json:"components"`
	}
	if err := json.NewDecoder(io.LimitReader(f, 1<<30)).Decode(&doc); err != nil {
		return err
	}
	found := make(map[string][]string)
	for _, c := range doc.Components {
		kind, pkg := packageOf(c.PURL)
		found[kind] = append(found[kind], pkg)
	}
	missing := 0
	for _, kind := range []string{"deb", "golang", "npm"} {
		want := slices.Compact(slices.Sorted(slices.Values(t.truth[kind])))
		have := slices.Compact(slices.Sorted(slices.Values(found[kind])))
		var lost, extra []string
		for _, w := range want {
			if !slices.Contains(have, w) {
				lost = append(lost, w)
			}
		}
		for _, h := range have {
			if !slices.Contains(want, h) {
				extra = append(extra, h)
			}
		}
		fmt.Printf("%-7s %4d in truth, %4d found, %d missing %v, %d beyond %v\n", kind, len(want), len(have), len(lost), lost, len(extra), extra)
		missing += len(lost)
		if len(want) == 0 {
			return fmt.Errorf("no truth about %s", kind)
		}
	}
	if missing > 0 {
		return fmt.Errorf("%d packages are missing", missing)
	}
	return nil
}

// packageOf takes a package URL apart into type and "name version".
func packageOf(purl string) (kind, pkg string) {
	rest, ok := strings.CutPrefix(purl, "pkg:")
	if !ok {
		return "", ""
	}
	rest, _, _ = strings.Cut(rest, "?")
	rest, _, _ = strings.Cut(rest, "#")
	kind, rest, _ = strings.Cut(rest, "/")
	at := strings.LastIndex(rest, "@")
	version := ""
	if at >= 0 {
		rest, version = rest[:at], rest[at+1:]
	}
	rest, _ = url.PathUnescape(rest)
	version, _ = url.PathUnescape(version)
	if kind == "deb" {
		_, rest, _ = strings.Cut(rest, "/") // the namespace is the distribution
	}
	return kind, rest + " " + version
}
