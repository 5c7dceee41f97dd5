package main

import (
	"bytes"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A source is one Go file of the module, its path from the root with slashes.
type source struct {
	path string
	file *ast.File
	set  *token.FileSet
}

func (s source) pkg() string { return path.Dir(s.path) }

// line returns where the node stands, as "path:line".
func (s source) line(n ast.Node) string {
	return s.path + ":" + strings.SplitN(s.set.Position(n.Pos()).String(), ":", 3)[1]
}

// sources parses the Go files of the product: no tests, no testdata.
func sources(t *testing.T) []source {
	t.Helper()
	root := filepath.Join("..", "..")
	var all []source
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, p)
		rel = filepath.ToSlash(rel)
		if d.IsDir() && rel != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go") {
			return nil
		}
		set := token.NewFileSet()
		raw, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(set, rel, raw, parser.ParseComments)
		all = append(all, source{rel, f, set})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 100 {
		t.Fatalf("only %d files were looked at", len(all))
	}
	return all
}

const (
	maxFile     = 400 // lines of one file
	maxFunction = 80  // lines of one function
)

// TestHouse keeps the house rules of README.
func TestHouse(t *testing.T) {
	documented := make(map[string]bool)
	packages := make(map[string]string)
	exits := make(map[string]int)
	for _, s := range sources(t) {
		packages[s.pkg()] = s.path
		if s.file.Doc != nil && strings.HasPrefix(s.file.Doc.Text(), comment(s)) {
			documented[s.pkg()] = true
		}
		if n := s.set.File(s.file.Pos()).LineCount(); n > maxFile {
			t.Errorf("%s has %d lines, more than %d", s.path, n, maxFile)
		}
		for _, d := range s.file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				checkFunction(t, s, d)
			case *ast.GenDecl:
				checkVariables(t, s, d)
				checkDocs(t, s, d)
			}
		}
		exits[s.path] += checkWorld(t, s)
	}
	for file, n := range exits {
		if main := isMain(file); main && n != 1 || !main && n != 0 {
			t.Errorf("%s ends the process in %d places: main does, in one", file, n)
		}
	}
	for pkg, file := range packages {
		if !documented[pkg] {
			t.Errorf("package %s (%s) has no package comment", pkg, file)
		}
	}
}

// comment is how the package comment begins.
func comment(s source) string {
	if s.file.Name.Name == "main" {
		return "Command " + path.Base(s.pkg())
	}
	return "Package " + s.file.Name.Name
}

func checkFunction(t *testing.T, s source, f *ast.FuncDecl) {
	t.Helper()
	if f.Name.Name == "init" && f.Recv == nil {
		t.Errorf("%s: an init function", s.line(f))
	}
	if n := s.set.Position(f.End()).Line - s.set.Position(f.Pos()).Line + 1; n > maxFunction {
		t.Errorf("%s: %s has %d lines, more than %d", s.line(f), f.Name.Name, n, maxFunction)
	}
	if f.Name.IsExported() && f.Doc == nil && s.file.Name.Name != "main" && exportedReceiver(f) {
		t.Errorf("%s: %s has no doc comment", s.line(f), f.Name.Name)
	}
}

// exportedReceiver reports whether the function can be seen from outside.
func exportedReceiver(f *ast.FuncDecl) bool {
	if f.Recv == nil {
		return true
	}
	x := f.Recv.List[0].Type
	if p, ok := x.(*ast.StarExpr); ok {
		x = p.X
	}
	if g, ok := x.(*ast.IndexExpr); ok {
		x = g.X
	}
	id, ok := x.(*ast.Ident)
	return ok && id.IsExported()
}

// checkVariables refuses variables of a package, which anything could change.
// What is only ever made once and read stays: errors, regular expressions, and
// assertions that a type keeps an interface.
func checkVariables(t *testing.T, s source, d *ast.GenDecl) {
	t.Helper()
	if d.Tok != token.VAR {
		return
	}
	for _, spec := range d.Specs {
		v := spec.(*ast.ValueSpec)
		for i, name := range v.Names {
			if name.Name == "_" || embeds(d) {
				continue
			}
			if i < len(v.Values) && settled(v.Values[i]) || linked(s, v, name) {
				continue
			}
			t.Errorf("%s: the package variable %s", s.line(name), name.Name)
		}
	}
}

// embeds reports whether the declaration is the text of a file, which the compiler
// puts there.
func embeds(d *ast.GenDecl) bool {
	return d.Doc != nil && slices.ContainsFunc(d.Doc.List, func(c *ast.Comment) bool { return strings.HasPrefix(c.Text, "//go:embed ") })
}

// linked reports whether the variable is the one that the linker writes: the digest of
// the program that is started from beside hallmark.
func linked(s source, v *ast.ValueSpec, name *ast.Ident) bool {
	return s.path == "cmd/hallmark/main.go" && name.Name == "policySum" && len(v.Values) == 0
}

// settled reports whether the value is one that nobody has a reason to replace:
// an error, of this package or of one below, or a regular expression.
func settled(x ast.Expr) bool {
	_, name, _ := strings.Cut(selector(x), ".")
	return strings.HasPrefix(name, "Err") || slices.Contains([]string{"errors.New", "fmt.Errorf", "regexp.MustCompile", "sync.OnceValue"}, called(x))
}

// called returns the name of the function that the expression calls, such as "errors.New".
func called(x ast.Expr) string {
	call, ok := x.(*ast.CallExpr)
	if !ok {
		return ""
	}
	return selector(call.Fun)
}

func selector(x ast.Expr) string {
	sel, ok := x.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	pkg, ok := sel.X.(*ast.Ident)
	if !ok {
		return ""
	}
	return pkg.Name + "." + sel.Sel.Name
}

// checkDocs asks for a comment on what others can see. A group may have one.
func checkDocs(t *testing.T, s source, d *ast.GenDecl) {
	t.Helper()
	if s.file.Name.Name == "main" {
		return
	}
	for _, spec := range d.Specs {
		switch v := spec.(type) {
		case *ast.TypeSpec:
			if v.Name.IsExported() && v.Doc == nil && d.Doc == nil {
				t.Errorf("%s: %s has no doc comment", s.line(v), v.Name.Name)
			}
		case *ast.ValueSpec:
			for _, name := range v.Names {
				if name.IsExported() && v.Doc == nil && v.Comment == nil && d.Doc == nil {
					t.Errorf("%s: %s has no doc comment", s.line(name), name.Name)
				}
			}
		}
	}
}

// isMain reports whether the file is the one of a command that hands the world in.
func isMain(file string) bool {
	ok, _ := path.Match("cmd/*/main.go", file)
	return ok
}

// clocks are the uses of the clock outside of main. The journal measures how
// long a request takes, which says how long to wait and nothing else; a registry
// is left alone for as long as it asks for.
var clocks = []string{"attach/journal/store.go time.Now", "attach/registry/registry.go time.Now"}

// checkWorld refuses what only main may touch: the environment and the clock.
// It returns how often the process is ended.
func checkWorld(t *testing.T, s source) (exits int) {
	t.Helper()
	ast.Inspect(s.file, func(n ast.Node) bool {
		x, ok := n.(ast.Expr)
		if !ok {
			return true
		}
		switch name := selector(x); name {
		case "os.Exit", "log.Fatal", "log.Fatalf":
			exits++
		case "os.Getenv", "os.LookupEnv", "os.Environ", "os.Setenv", "time.Now", "time.Since", "time.Until":
			if !slices.Contains(clocks, s.path+" "+name) && !isMain(s.path) {
				t.Errorf("%s: %s is for main alone; have it handed in", s.line(n), name)
			}
		}
		return true
	})
	return exits
}

// TestTopLevel: the root of the repository holds what the map in README names
// and nothing else, and one license text.
func TestTopLevel(t *testing.T) {
	git := exec.Command("git", "ls-files")
	git.Dir = filepath.Join("..", "..")
	out, err := git.Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	allowed := strings.Fields(`attach cmd sbom sign verify testdata go.mod go.sum Makefile README.md LICENSE
		SECURITY.md CONTRIBUTING.md CHANGELOG.md BENCHMARKS.md`)
	files := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(files) < 100 {
		t.Fatalf("git lists %d files", len(files))
	}
	for _, f := range files {
		top, _, _ := strings.Cut(f, "/")
		if !strings.HasPrefix(top, ".") && !slices.Contains(allowed, top) {
			t.Errorf("%s does not belong into the root", top)
		}
		base := strings.ToUpper(path.Base(f))
		if f != "LICENSE" && (strings.HasPrefix(base, "LICENSE") || strings.HasPrefix(base, "COPYING") || strings.HasPrefix(base, "NOTICE")) && !strings.HasSuffix(base, ".GO") {
			t.Errorf("%s: a license text of others", f)
		}
	}
}

// maxBinary is the size of the largest binary, stripped and static, in bytes.
const maxBinary = 40_000_000

// TestBinary builds hallmark as it is released and weighs it. No code of servers is
// in it: functions are kept by name in the table that tracebacks are printed from.
func TestBinary(t *testing.T) {
	file := filepath.Join(t.TempDir(), "hallmark")
	sum := strings.Repeat("5a", 32)
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w -X main.policySum="+sum, "-o", file, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes", info.Size())
	if info.Size() > maxBinary {
		t.Errorf("the binary has %d bytes, more than %d", info.Size(), maxBinary)
	}
	checkPolicyProgram(t, file, sum)
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{
		module + "/verify.New":             true, // so that the table is what we think
		"google.golang.org/grpc.NewServer": false,
	} {
		if got := bytes.Contains(raw, []byte(name+"\x00")); got != want {
			t.Errorf("%s in the binary: %v", name, got)
		}
	}
}

// servers are what hallmark is not to be linked with: the services of Sigstore, what
// they keep their data in, Kubernetes, and the kits of cloud providers.
var servers = strings.Fields(`
	github.com/sigstore/fulcio github.com/sigstore/rekor/pkg/api github.com/sigstore/rekor/pkg/generated/restapi
	github.com/sigstore/rekor/cmd github.com/sigstore/rekor-tiles/v2/internal/server github.com/sigstore/rekor-tiles/v2/internal/tessera github.com/sigstore/rekor-tiles/v2/cmd
	github.com/sigstore/timestamp-authority/v2/pkg/api github.com/sigstore/timestamp-authority/v2/pkg/server
	github.com/sigstore/timestamp-authority/v2/pkg/generated/restapi github.com/google/trillian
	github.com/google/certificate-transparency-go/trillian github.com/transparency-dev/tessera github.com/dgraph-io
	github.com/redis github.com/go-redis github.com/go-sql-driver github.com/jackc go.etcd.io gocloud.dev
	k8s.io/api k8s.io/apimachinery k8s.io/apiserver k8s.io/client-go sigs.k8s.io
	github.com/aws github.com/Azure/azure-sdk-for-go cloud.google.com github.com/hashicorp/vault github.com/miekg
	github.com/sigstore/cosign/v2/cmd`)

// TestNoServers: nothing of what only servers and tests need is imported, by whatever
// way. Every command that is released is looked at. The reader of YAML that Rego comes
// with is none of Kubernetes but in its name.
func TestNoServers(t *testing.T) {
	commands, err := filepath.Glob(filepath.Join("..", "*", "main.go"))
	if err != nil || len(commands) < 3 {
		t.Fatalf("%q, %v", commands, err)
	}
	for _, main := range commands {
		list := exec.Command("go", "list", "-deps", ".")
		list.Dir = filepath.Dir(main)
		out, err := list.Output()
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && bytes.Contains(exit.Stderr, []byte("build constraints exclude all Go files")) {
			continue // built with a tag alone, and not released
		}
		if err != nil {
			t.Fatalf("go list in %s: %v", list.Dir, err)
		}
		deps := strings.Fields(string(out))
		if len(deps) < 50 {
			t.Errorf("%s: %d packages", main, len(deps))
		}
		for _, dep := range deps {
			if slices.ContainsFunc(servers, func(s string) bool { return dep == s || strings.HasPrefix(dep, s+"/") }) && !strings.HasPrefix(dep, "sigs.k8s.io/yaml") {
				t.Errorf("%s is linked with %s", filepath.Dir(main), dep)
			}
		}
	}
}
