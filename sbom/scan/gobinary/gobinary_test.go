package gobinary_test

import (
	"debug/buildinfo"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hallmark-oci/hallmark/sbom"
	"github.com/hallmark-oci/hallmark/sbom/scan/extract"
	"github.com/hallmark-oci/hallmark/sbom/scan/gobinary"
)

// goroot returns the directory of the Go distribution that runs the test.
func goroot(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// build makes a Go program from the files in a module of its own and returns its path.
func build(t *testing.T, files map[string]string, env []string, args ...string) string {
	t.Helper()
	dir := t.TempDir()
	for name, body := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	out := filepath.Join(dir, "program.out")
	cmd := exec.Command(filepath.Join(goroot(t), "bin", "go"), append([]string{"build", "-o", out}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=mod", "GOWORK=off", "GOTOOLCHAIN=local", "GOPROXY=off", "GOSUMDB=off"), env...)
	if b, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, b)
	}
	return out
}

// project is a program with a module of its own that is replaced by a directory.
func project() map[string]string {
	return map[string]string{
		"go.mod":           "module example.com/Tool\n\ngo 1.24\n\nrequire example.com/Dep v1.2.3\n\nreplace example.com/Dep => ./vendored\n",
		"main.go":          "package main\n\nimport dep \"example.com/Dep\"\n\nfunc main() { dep.Do() }\n",
		"vendored/go.mod":  "module example.com/Dep\n\ngo 1.24\n",
		"vendored/file.go": "package dep\n\nfunc Do() { println(1) }\n",
	}
}

// read gives the file to a sink in pieces of the size that next returns.
func read(t testing.TB, b []byte, next func() int) (extract.Record, bool) {
	t.Helper()
	var x gobinary.Extractor
	f := x.Match("any/name", int64(len(b)))
	if f == "" {
		return extract.Record{}, false
	}
	s := x.Open(f, int64(len(b)))
	for len(b) > 0 {
		n := min(max(1, next()), len(b))
		if _, err := s.Write(b[:n]); err != nil {
			if !errors.Is(err, extract.ErrEnough) {
				t.Fatal(err)
			}
			break
		}
		b = b[n:]
	}
	return s.Record()
}

func whole() int { return 64 << 10 }

// components returns what the file gives, as "type name@version".
func components(t testing.TB, r extract.Record) []string {
	t.Helper()
	v := extract.NewView(sbom.Distro{}, []extract.File{{Path: "usr/bin/tool", Layer: "sha256:00", Record: r}}, nil)
	var out []string
	for _, c := range (gobinary.Extractor{}).Resolve(v).Components {
		out = append(out, fmt.Sprintf("%s %s@%s", c.Type, c.Name, c.Version))
	}
	return out
}

// expected returns the same from the standard library's reader.
func expected(t testing.TB, file string) []string {
	t.Helper()
	bi, err := buildinfo.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	version := bi.Main.Version
	if version == "(devel)" {
		version = ""
	}
	out := []string{
		fmt.Sprintf("application %s@%s", bi.Main.Path, version),
		"library stdlib@" + strings.TrimPrefix(bi.GoVersion, "go"),
	}
	for _, m := range bi.Deps {
		switch {
		case m.Replace != nil && m.Replace.Version != "(devel)" && m.Replace.Version != "":
			out = append(out, fmt.Sprintf("library %s@%s", m.Replace.Path, m.Replace.Version))
		case m.Replace != nil:
			out = append(out, fmt.Sprintf("library %s@", m.Path))
		default:
			out = append(out, fmt.Sprintf("library %s@%s", m.Path, m.Version))
		}
	}
	return out
}

func TestPrograms(t *testing.T) {
	tests := []struct {
		name string
		env  []string
		args []string
	}{
		{"elf", nil, nil},
		{"stripped", nil, []string{"-ldflags=-s -w"}},
		{"pie", []string{"GOOS=linux", "GOARCH=amd64"}, []string{"-buildmode=pie"}},
		{"trimmed", nil, []string{"-trimpath", "-buildvcs=false"}},
		{"arm", []string{"GOOS=linux", "GOARCH=arm"}, nil},
		{"big endian", []string{"GOOS=linux", "GOARCH=s390x"}, nil},
		{"big endian, 32 bits", []string{"GOOS=linux", "GOARCH=mips"}, nil},
		{"windows", []string{"GOOS=windows", "GOARCH=amd64"}, []string{"-ldflags=-s -w"}},
		{"windows, 32 bits", []string{"GOOS=windows", "GOARCH=386"}, nil},
		{"macos", []string{"GOOS=darwin", "GOARCH=arm64"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := build(t, project(), tt.env, tt.args...)
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			want := expected(t, file)
			if len(want) != 3 || want[2] != "library example.com/Dep@" {
				t.Fatalf("the program is not what this test is about: %v", want)
			}
			rnd := rand.New(rand.NewPCG(1, 2))
			for name, next := range map[string]func() int{
				"large": whole, "one": func() int { return len(b) }, "odd": func() int { return 4099 },
				"random": func() int { return rnd.IntN(3 << 10) },
			} {
				r, ok := read(t, b, next)
				if !ok {
					t.Fatalf("%s pieces: no build information found", name)
				}
				if d := cmp.Diff(want, components(t, r)); d != "" {
					t.Errorf("%s pieces (-debug/buildinfo +got):\n%s", name, d)
				}
			}
		})
	}
}

// TestModules compares with "go version -m" on a program with modules from elsewhere.
func TestModules(t *testing.T) {
	dir := t.TempDir()
	source, self := filepath.Join(dir, "main.go"), filepath.Join(dir, "program")
	body := "package main\n\nimport (\n\t\"github.com/google/go-cmp/cmp\"\n\t\"github.com/klauspost/compress/zstd\"\n)\n\n" +
		"func main() { println(cmp.Diff(1, 2), zstd.SpeedDefault.String()) }\n"
	if err := os.WriteFile(source, []byte(body), 0o644); err != nil {
		t.Fatal(err)
	}
	goTool := filepath.Join(goroot(t), "bin", "go")
	if out, err := exec.Command(goTool, "build", "-o", self, source).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := exec.Command(goTool, "version", "-m", self).Output()
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) >= 3 && f[0] == "dep" {
			want = append(want, fmt.Sprintf("library %s@%s", f[1], f[2]))
		}
	}
	if len(want) == 0 {
		t.Fatalf("go version -m lists no module:\n%s", out)
	}
	b, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	r, _ := read(t, b, whole)
	got := components(t, r)
	for _, w := range want {
		if !slices.Contains(got, w) {
			t.Errorf("%s is missing in %v", w, got)
		}
	}
	if len(got) != len(want)+2 {
		t.Errorf("got %v, want the program, the standard library and %v", got, want)
	}
}

// TestCarriers builds programs that hold the magic, or another program, in
// their read-only data before their own build information.
func TestCarriers(t *testing.T) {
	inner, err := os.ReadFile(build(t, project(), nil, "-ldflags=-s -w"))
	if err != nil {
		t.Fatal(err)
	}
	magic := "\xff Go buildinf:"
	fake := magic + "\x08\x02" + strings.Repeat("\x00", 16) + "\x06go1.99\x00"
	data := map[string]string{
		"program":          string(inner),
		"magic at 16":      strings.Repeat(magic+"xx", 4096),
		"fake information": strings.Repeat(fake+strings.Repeat("\x00", 48-len(fake)), 64),
	}
	for name, body := range data {
		t.Run(name, func(t *testing.T) {
			file := build(t, map[string]string{
				"go.mod":  "module example.com/outer\n\ngo 1.24\n",
				"main.go": "package main\n\nimport _ \"embed\"\n\n//go:embed data\nvar data string\n\nfunc main() { println(data[len(data)/2:]) }\n",
				"data":    body,
			}, nil)
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			r, _ := read(t, b, whole)
			if d := cmp.Diff(expected(t, file), components(t, r)); d != "" {
				t.Errorf("-debug/buildinfo +got:\n%s", d)
			}
		})
	}
}

// TestGoCommand reads a program of the Go distribution, which has no module.
func TestGoCommand(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(goroot(t), "bin", "gofmt"))
	if err != nil {
		t.Fatal(err)
	}
	r, _ := read(t, b, whole)
	got := components(t, r)
	if len(got) == 0 || got[0] != "application cmd/gofmt@" || got[1] != "library stdlib@"+strings.TrimPrefix(runtime.Version(), "go") {
		t.Errorf("got %v", got)
	}
}

// synthetic returns a file that begins like a program, with build information of these strings.
func synthetic(version, modules string, flags byte) []byte {
	b := append([]byte("\x7fELF"), make([]byte, 128<<10-4)...)
	b = append(b, "\xff Go buildinf:"...)
	b = append(b, 8, flags)
	b = append(b, make([]byte, 16)...)
	for _, s := range []string{version, modules} {
		n := len(s)
		for ; n >= 0x80; n >>= 7 {
			b = append(b, byte(n)|0x80)
		}
		b = append(append(b, byte(n)), s...)
	}
	return append(b, make([]byte, 100)...)
}

func framed(lines string) string {
	return strings.Repeat("0", 16) + lines + strings.Repeat("1", 16)
}

// TestInformation checks the lines of build information against the rules of
// the Go modules reference and of runtime/debug.BuildInfo.
func TestInformation(t *testing.T) {
	const vcs = "build\tvcs=git\nbuild\tvcs.revision=0123456789abcdef0123\nbuild\tvcs.time=2024-02-29T23:59:58Z\n"
	tests := []struct {
		name, version, modules string
		want                   []string
	}{
		{"replaced by a module", "go1.26.1", framed("path\tx.y/z\nmod\tx.y\tv1.0.0\th1:a=\ndep\ta.b/C\tv1.2.3\n=>\tfork.d/C\tv1.2.4\th1:b=\n"),
			[]string{"application x.y@v1.0.0", "library stdlib@1.26.1", "library fork.d/C@v1.2.4"}},
		{"commit", "go1.20", framed("path\tx.y/z\nmod\tx.y\t(devel)\t\n" + vcs),
			[]string{"application x.y@v0.0.0-20240229235958-0123456789ab", "library stdlib@1.20"}},
		{"changed commit", "go1.20", framed("path\tx.y/z\nmod\tx.y\t(devel)\t\n" + vcs + "build\tvcs.modified=true\n"),
			[]string{"application x.y@v0.0.0-20240229235958-0123456789ab+dirty", "library stdlib@1.20"}},
		{"no commit", "go1.20", framed("path\tx.y/z\nmod\tx.y\t(devel)\t\n"),
			[]string{"application x.y@", "library stdlib@1.20"}},
		{"workspace", "go1.20", framed("path\tx.y\nmod\tx.y\tv1.0.0\t\ndep\tw.s\t(devel)\t\n"),
			[]string{"application x.y@v1.0.0", "library stdlib@1.20", "library w.s@"}},
		{"single file", "go1.20", framed("path\tcommand-line-arguments\ndep\ta.b\tv1.0.0\t\n"),
			[]string{"application tool@", "library stdlib@1.20", "library a.b@v1.0.0"}},
		{"experiment", "go1.26.1 X:nosynchashtriemap", "",
			[]string{"application tool@", "library stdlib@1.26.1"}},
		{"lines that are none", "go1.20", framed("\n\t\ndep\n=>\nmod\tx.y\ndep\ta.b\tv1\n\x00\n"),
			[]string{"application x.y@", "library stdlib@1.20", "library a.b@v1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, ok := read(t, synthetic(tt.version, tt.modules, 2), whole)
			if !ok {
				t.Fatal("no build information found")
			}
			if d := cmp.Diff(tt.want, components(t, r)); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}
