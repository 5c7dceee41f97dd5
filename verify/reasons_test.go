package verify_test

import (
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// update has REASONS.md be written anew.
var update = flag.Bool("update", false, "write REASONS.md")

// A code is one that commands print, as the source declares it.
// below is its name in package keyless, where it takes its text from there.
type code struct{ name, text, meaning, below string }

// codesOf returns the codes that a file declares: constants of the type, with the
// comment before or behind each. Those that take their text from package keyless are
// looked up there.
func codesOf(t testing.TB, path, typ string, others map[string]string) []code {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), filepath.FromSlash(path), nil, parser.ParseComments)
	must(t, err)
	var list []code
	for _, d := range file.Decls {
		group, ok := d.(*ast.GenDecl)
		if !ok || group.Tok != token.CONST {
			continue
		}
		for _, s := range group.Specs {
			spec := s.(*ast.ValueSpec)
			if len(spec.Values) == 0 {
				continue
			}
			c := code{name: spec.Names[0].Name}
			switch v := spec.Values[0].(type) {
			case *ast.BasicLit:
				if id, ok := spec.Type.(*ast.Ident); !ok || id.Name != typ {
					continue
				}
				c.text, err = strconv.Unquote(v.Value)
				must(t, err)
			case *ast.CallExpr:
				c.below = v.Args[0].(*ast.SelectorExpr).Sel.Name
				c.text = others[c.below]
			default:
				continue
			}
			c.meaning = strings.Join(strings.Fields(spec.Comment.Text()+spec.Doc.Text()), " ")
			c.meaning = strings.TrimSuffix(strings.TrimPrefix(c.meaning, c.name+": "), ".")
			list = append(list, c)
		}
	}
	return list
}

// A chapter is the codes of one package, with what is said of each.
type chapter struct {
	title, intro, dir string
	codes             []code
	exit              map[string]string // where it is not usual
	usual             string
	next              map[string]string
}

// chapters are all codes.
func chapters(t testing.TB) []chapter {
	t.Helper()
	keyless := make(map[string]string)
	for _, c := range codesOf(t, "keyless/code.go", "Code", nil) {
		keyless[c.name] = c.text
	}
	checkExit, checkText := make(map[string]string), make(map[string]string)
	for name, s := range checkNext() {
		checkExit[name], checkText[name] = s.exit, s.next
	}
	return []chapter{
		{"Verifying", "`hallmark verify`, `get`, `admit` and the rest, in `verify`. A code about one entry means that the entry does not count; the exit code is what the command ends in when no other entry does.",
			"verify", codesOf(t, "reason.go", "Reason", keyless), verifyExit(), "1", verifyNext()},
		{"Signing without a key", "`hallmark sign` and `attest` in somebody's own name, in `sign/keyless`. Nothing was signed, and nothing stored.",
			"sign/keyless", codesOf(t, "../sign/keyless/refusal.go", "Reason", nil), nil, "2", signNext()},
		{"Fetching trust", "`hallmark trust`, in `verify/tuf`. What was kept before stays.",
			"verify/tuf", codesOf(t, "tuf/tuf.go", "Reason", nil), map[string]string{"trust-usage": "64"}, "2", trustNext()},
		{"Checking for advisories", "`hallmark check`, in `verify/check`.",
			"verify/check", codesOf(t, "check/outcome.go", "Reason", nil), checkExit, "2", checkText},
	}
}

// knownCodes returns the text of all codes.
func knownCodes(t testing.TB) []string {
	t.Helper()
	var all []string
	for _, c := range chapters(t) {
		for _, code := range c.codes {
			all = append(all, code.text)
		}
	}
	return all
}

// TestReasons: each code has a meaning, a next step and a test that brings it about.
func TestReasons(t *testing.T) {
	tests := sourcesOfTests(t)
	for _, ch := range chapters(t) {
		pkg := ch.dir[strings.LastIndex(ch.dir, "/")+1:]
		if len(ch.codes) < 10 || len(ch.codes) != len(ch.next) {
			t.Errorf("%s: %d codes, and what to do next is said of %d", ch.dir, len(ch.codes), len(ch.next))
		}
		for _, c := range ch.codes {
			if c.text == "" || c.meaning == "" || ch.next[c.text] == "" {
				t.Errorf("%s.%s: code %q, meaning %q (its comment), what to do next %q (reasons_next_test.go)", pkg, c.name, c.text, c.meaning, ch.next[c.text])
			}
			byName := regexp.MustCompile(`\b` + pkg + `\.` + c.name + `\b`)
			byText := regexp.MustCompile(`(^|[^-\w])` + regexp.QuoteMeta(c.text) + `([^-\w]|$)`)
			inside := regexp.MustCompile(`[ ,{(]` + c.name + `[},: )]`)
			if !slices.ContainsFunc(tests, func(s source) bool {
				return strings.Contains(s.text, c.name) && (byName.MatchString(s.text) || s.dir == ch.dir && inside.MatchString(s.text)) ||
					c.below != "" && strings.Contains(s.text, "keyless."+c.below) || strings.Contains(s.text, c.text) && byText.MatchString(s.text)
			}) {
				t.Errorf("no test brings about %s.%s, %q", pkg, c.name, c.text)
			}
		}
	}
	// What the tables of this package refuse ends in 1.
	exits := verifyExit()
	codes, _ := rowsOf(t)
	for n, list := range codes {
		for _, code := range list {
			if code != ends && exits[code] != "" {
				t.Errorf("item %d is refused with %s, of which the exit code is said to be %s", n, code, exits[code])
			}
		}
	}
}

// A source is the text of a test.
type source struct{ dir, name, text string }

// sourcesOfTests reads the tests of the module and its scripts, but for the lists here.
func sourcesOfTests(t testing.TB) []source {
	t.Helper()
	lists := regexp.MustCompile(`^(reasons.*|.*_list)_test\.go$`)
	var all []source
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		name := d.Name()
		if err == nil && d.IsDir() && path != ".." && (strings.HasPrefix(name, ".") || name == "bin") {
			return fs.SkipDir
		}
		if err != nil || d.IsDir() || lists.MatchString(name) || !strings.HasSuffix(name, "_test.go") && !strings.HasSuffix(name, ".txtar") {
			return err
		}
		raw, err := os.ReadFile(path)
		dir, _ := filepath.Rel("..", filepath.Dir(path))
		all = append(all, source{filepath.ToSlash(dir), name, string(raw)})
		return err
	})
	must(t, err)
	return all
}

// rowNames are the names of the rows of TestMustReject.
type rowNames map[string]bool

func namesOfRows(t testing.TB) rowNames {
	t.Helper()
	names := make(rowNames)
	for _, r := range mustReject(t) {
		names[fmt.Sprintf("%02d %s", r.n, r.name)] = true
	}
	return names
}

// exists returns an error where a test is not there: "directory Test", with "/row" for
// one that a table holds, or ": text" for what stands in a script or a table of steps.
func (rows rowNames) exists(t testing.TB, test string) error {
	t.Helper()
	dir, name, _ := strings.Cut(test, " ")
	at := filepath.Join("..", filepath.FromSlash(dir))
	if file, text, ok := strings.Cut(strings.TrimPrefix(name, "TestScript/"), ": "); ok && strings.HasPrefix(name, "TestScript/") {
		return holds(text, filepath.Join("..", "testdata", "script", file+".txtar"))
	}
	if steps, ok := strings.CutSuffix(dir, ":"); ok {
		files, err := filepath.Glob(filepath.Join("..", filepath.FromSlash(steps), "*.go"))
		must(t, err)
		return holds(name, files...)
	}
	name, part, inTable := strings.Cut(name, "/")
	files, err := filepath.Glob(filepath.Join(at, "*_test.go"))
	must(t, err)
	if err := holds("\nfunc "+name+"(", files...); err != nil {
		return err
	}
	switch {
	case !inTable:
		return nil
	case name == "TestConformance":
		return conformanceCase(part)
	case name == "TestMustReject":
		if !rows[part] {
			return fmt.Errorf("there is no row %q", part)
		}
		return nil
	case name == "TestMustRejectImages":
		_, part, _ = strings.Cut(part, " ")
	}
	if holds("\""+part+"\"", files...) != nil {
		return holds("`"+part+"`", files...)
	}
	return nil
}

// holds returns an error unless one of the files holds the text.
func holds(text string, files ...string) error {
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		if strings.Contains(string(raw), text) {
			return nil
		}
	}
	return fmt.Errorf("%q does not stand in %s", text, files)
}

// conformanceCase returns an error where the suite is there and has no such case.
func conformanceCase(name string) error {
	dir := os.Getenv("HALLMARK_CORPORA")
	if dir == "" {
		return nil
	}
	_, err := os.Stat(filepath.Join(dir, "sigstore-conformance", "bundle-verify", name))
	return err
}

// TestReasonsPage: REASONS.md says what the lists say; -update writes it. The commands
// and flags that it names are there.
func TestReasonsPage(t *testing.T) {
	page := reasonsPage(t)
	if *update {
		must(t, os.WriteFile("REASONS.md", page, 0o644))
	}
	raw, err := os.ReadFile("REASONS.md")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if string(raw) != string(page) {
		t.Errorf("REASONS.md is not what the lists say: go test ./verify -run TestReasonsPage -update")
	}
	help := string(bytesIn(t, "../cmd/hallmark/internal/cli/testdata/help.golden"))
	for _, said := range regexp.MustCompile("`(hallmark [a-z]+(?: [a-z]+)?|--[a-z-]+)").FindAllStringSubmatch(string(page), -1) {
		if !strings.Contains(help, said[1]) {
			t.Errorf("there is no %q", said[1])
		}
	}
}
