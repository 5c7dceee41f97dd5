package cli

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

var update = flag.Bool("update", false, "write the golden files anew")

// tree builds the command tree of an app with nothing behind it.
func tree() *cobra.Command {
	return (&App{In: strings.NewReader(""), Out: new(bytes.Buffer), Err: new(bytes.Buffer)}).root()
}

// commands returns all commands but those that cobra brings along.
func commands() []*cobra.Command {
	var all []*cobra.Command
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		all = append(all, cmd)
		for _, sub := range cmd.Commands() {
			if name := sub.Name(); name != "help" && name != "completion" {
				walk(sub)
			}
		}
	}
	walk(tree())
	return all
}

// TestCommands: every command says what it does and shows how, and all its
// flags are explained.
func TestCommands(t *testing.T) {
	all := commands()
	if len(all) < 20 {
		t.Fatalf("only %d commands", len(all))
	}
	for _, cmd := range all {
		path := cmd.CommandPath()
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") || len(cmd.Short) > 90 {
			t.Errorf("%s: short text %q", path, cmd.Short)
		}
		if cmd.Example == "" {
			t.Errorf("%s: no example", path)
		}
		if cmd.RunE == nil || cmd.Run != nil || cmd.Args == nil {
			t.Errorf("%s: it must return errors and check its arguments", path)
		}
		if cmd.HasParent() && !cmd.Parent().HasParent() && cmd.GroupID == "" {
			t.Errorf("%s: in no group", path)
		}
		for _, line := range strings.Split(cmd.Long, "\n") {
			if len(line) > 80 {
				t.Errorf("%s: a line of %d characters", path, len(line))
			}
		}
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" || strings.HasSuffix(strings.TrimSuffix(f.Usage, "..."), ".") {
				t.Errorf("%s --%s: usage %q", path, f.Name, f.Usage)
			}
		})
	}
}

// TestExamples: every line of every example is one that the command accepts.
func TestExamples(t *testing.T) {
	for _, cmd := range commands() {
		for _, line := range strings.Split(cmd.Example, "\n") {
			words := strings.Fields(line)
			if len(words) < 2 || words[0] != "hallmark" {
				t.Errorf("%s: example %q", cmd.CommandPath(), line)
				continue
			}
			root := tree() // flags keep what was parsed
			found, rest, err := root.Find(words[1:])
			if err != nil {
				t.Errorf("%s: %q: %v", cmd.CommandPath(), line, err)
				continue
			}
			if !strings.HasPrefix(found.CommandPath(), cmd.CommandPath()) {
				t.Errorf("%s: %q is an example of %s", cmd.CommandPath(), line, found.CommandPath())
			}
			if err := found.ParseFlags(rest); err != nil {
				t.Errorf("%s: %q: %v", cmd.CommandPath(), line, err)
			}
			if err := found.ValidateArgs(found.Flags().Args()); err != nil {
				t.Errorf("%s: %q: %v", cmd.CommandPath(), line, err)
			}
		}
	}
}

// TestEnums: a flag that takes one of a few words offers them for completion,
// takes each and nothing else, and has the first as default.
func TestEnums(t *testing.T) {
	seen := 0
	for _, cmd := range commands() {
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			e, ok := f.Value.(*enumValue)
			if !ok {
				return
			}
			seen++
			name := cmd.CommandPath() + " --" + f.Name
			if f.DefValue != e.words[0] || !strings.Contains(f.Usage, strings.Join(e.words, ", ")) {
				t.Errorf("%s: default %q, usage %q", name, f.DefValue, f.Usage)
			}
			for _, w := range e.words {
				if err := f.Value.Set(w); err != nil || f.Value.String() != w {
					t.Errorf("%s=%s: %v", name, w, err)
				}
			}
			for _, w := range []string{"", "no-such-word", strings.ToUpper(e.words[0])} {
				if err := f.Value.Set(w); err == nil {
					t.Errorf("%s=%q is taken", name, w)
				}
			}
			var out bytes.Buffer
			app := &App{In: strings.NewReader(""), Out: &out, Err: new(bytes.Buffer)}
			args := append([]string{cobra.ShellCompRequestCmd}, strings.Fields(cmd.CommandPath())[1:]...)
			if code := app.Run(t.Context(), append(args, "--"+f.Name, "")); code != exitYes {
				t.Errorf("%s: completion ends with %d", name, code)
			}
			got := strings.Fields(out.String())
			if want := append(slices.Clone(e.words), fmt.Sprintf(":%d", cobra.ShellCompDirectiveNoFileComp)); !slices.Equal(got, want) {
				t.Errorf("%s: completes %q, want %q", name, got, want)
			}
		})
	}
	if seen < 8 {
		t.Errorf("only %d flags of this kind", seen)
	}
}

// TestHelp holds the help of all commands.
func TestHelp(t *testing.T) {
	var help bytes.Buffer
	for _, cmd := range commands() {
		var out bytes.Buffer
		app := &App{In: strings.NewReader(""), Out: &out, Err: new(bytes.Buffer)}
		if code := app.Run(t.Context(), append(strings.Fields(cmd.CommandPath())[1:], "--help")); code != exitYes {
			t.Errorf("%s --help ends with %d", cmd.CommandPath(), code)
		}
		fmt.Fprintf(&help, "$ %s --help\n%s\n", cmd.CommandPath(), out.Bytes())
	}
	file := filepath.Join("testdata", "help.golden")
	if *update {
		if err := os.WriteFile(file, help.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, help.Bytes()) {
		t.Errorf("%s differs (renew it with -update):\n%s", file, help.Bytes())
	}
}

// TestFlagsAreRead: every variable that a flag sets is read somewhere else. A
// flag without effect is a promise that is not kept.
func TestFlagsAreRead(t *testing.T) {
	set := token.NewFileSet()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	bound := make(map[string]token.Position) // names of variables that flags set
	read := make(map[string]bool)            // names that stand somewhere else
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(set, file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		binding := make(map[ast.Node]bool)
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				for _, arg := range n.Args {
					if x, ok := flagTarget(n, arg); ok {
						bound[nameOf(x)] = set.Position(arg.Pos())
						binding[x] = true
					}
				}
			case *ast.SelectorExpr:
				if !binding[n] {
					read[n.Sel.Name] = true
				}
				binding[n.Sel] = true // counted with the selector
			case *ast.Field: // a declaration
				for _, name := range n.Names {
					binding[name] = true
				}
			case *ast.ValueSpec:
				for _, name := range n.Names {
					binding[name] = true
				}
			case *ast.Ident:
				if !binding[n] {
					read[n.Name] = true
				}
			}
			return true
		})
	}
	if len(bound) < 20 {
		t.Fatalf("only %d flags were found", len(bound))
	}
	for name, at := range bound {
		if !read[name] && name != "MaxBlob" && name != "Dir" && name != "Referrers" { // those of package serve
			t.Errorf("%s: nothing reads %s, which a flag sets", at, name)
		}
	}
}

// flagTarget returns the variable of an argument "&variable" in a call that
// declares a flag.
func flagTarget(call *ast.CallExpr, arg ast.Expr) (ast.Expr, bool) {
	name := nameOf(call.Fun)
	if name != "enum" && !strings.HasSuffix(name, "Var") && !strings.HasSuffix(name, "VarP") {
		return nil, false
	}
	u, ok := arg.(*ast.UnaryExpr)
	if !ok || u.Op != token.AND {
		return nil, false
	}
	return u.X, nameOf(u.X) != ""
}

func nameOf(x ast.Expr) string {
	switch x := x.(type) {
	case *ast.Ident:
		return x.Name
	case *ast.SelectorExpr:
		return x.Sel.Name
	}
	return ""
}
