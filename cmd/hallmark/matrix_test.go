package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/registry"
	"github.com/hallmark-oci/hallmark/attach/storetest"
	"github.com/hallmark-oci/hallmark/cmd/hallmark/internal/cli"
)

var update = flag.Bool("update", false, "write the document of the matrix anew")

// matrixFile is the document that shows the matrix.
var matrixFile = filepath.Join("..", "..", "attach", "storetest", "MATRIX.md")

// parallelCells is how many cells are measured at once. Most of their time they
// wait.
const parallelCells = 48

// A verb is one column of the matrix: a command line on an image that is sealed
// with one key and signed with another.
type verb struct {
	name string
	// line is the command line. $IMAGE is the image, $REPO its repository, $BARE
	// an image that nothing is attached to, $COPY one of the same registry that is
	// not there yet, $DIR the folder with
	// keys and documents, $OUT a folder of the cell's own.
	line string
	// writes says that the command puts something, adds that more is attached to
	// the image afterwards.
	writes, adds bool
	// then is a command line that works afterwards, on a registry without quirks,
	// where the command said that it worked.
	then string
	// refuses is a command line that ends with exit code 1 then.
	refuses string
	// prints is what the command prints where it works.
	prints string
	// takes says that the command may take away the signature of the second key.
	takes bool
	// mends says that another tool wrote over cosign's tag before, and that the tag
	// shows everything again where the command said that it worked.
	mends bool
}

// among reports whether the words name the verb.
func (v verb) among(words string) bool {
	return slices.ContainsFunc(strings.Split(words, ", "), func(w string) bool {
		return w == v.name || w == "*" || w == "writers" && v.writes || w == "attachers" && v.adds
	})
}

func (v verb) String() string { return v.name }

// A world is what all cells share: the folder with keys and the requests that
// make a sealed image.
type world struct {
	dir string
	logins
	seeds map[bool]seed // by whether the registry serves referrers
}

// A seed makes the image of a cell.
type seed struct {
	puts   []put
	ids    []attach.ID // what is attached
	second attach.ID   // of which this is the signature of the second key
}

type put struct {
	method, uri, typ string
	body             []byte
}

// A cell is what came of one verb on one registry.
type cell struct {
	code    int
	printed string // all of it, both streams
	fault   string // what is wrong whatever the code
}

// TestMatrix runs every verb on every registry of the catalogue. Each cell works,
// or fails as [exceptions] says, for the reason given there; and nothing that
// was there before is gone.
func TestMatrix(t *testing.T) {
	t.Parallel()
	debug.SetGCPercent(300) // a quarter of the time went into collecting what thousands of registries left
	w := newWorld(t)
	cases, columns := storetest.Catalogue(), verbs()
	cells := make([][]cell, len(cases))
	slots := make(chan struct{}, parallelCells)
	var wg sync.WaitGroup
	for i := range cases {
		cells[i] = make([]cell, len(columns))
		for j := range columns {
			slots <- struct{}{}
			wg.Go(func() {
				defer func() { <-slots }()
				cells[i][j] = w.measure(t.Context(), storetest.Catalogue()[i], columns[j])
			})
		}
	}
	wg.Wait()
	rules := newRules(t, cases, columns)
	for i, c := range cases {
		for j, v := range columns {
			got, want := cells[i][j], rules.of(c.Name(), v.name)
			switch {
			case got.fault != "":
				t.Errorf("%s, %s: %s\n%s", v, c.Name(), got.fault, got.printed)
			case got.code != want.code || !strings.Contains(got.printed, want.says):
				t.Errorf("%s, %s: exit code %d, want %d and %q:\n%s", v, c.Name(), got.code, want.code, want.says, got.printed)
			case want.code == 0 && want.says == "" && !strings.Contains(got.printed, v.prints):
				t.Errorf("%s, %s: %q is not printed:\n%s", v, c.Name(), v.prints, got.printed)
			}
		}
	}
	doc := rules.document(cases, columns)
	t.Log("\n" + doc)
	if *update {
		if err := os.WriteFile(matrixFile, []byte(doc), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile(matrixFile); err != nil || string(have) != doc {
		t.Errorf("%s is out of date (%v): go test ./cmd/hallmark -run TestMatrix -update", matrixFile, err)
	}
}

// measure runs the verb while the registry has its quirks, and looks at what is
// there afterwards when it has none.
func (w *world) measure(ctx context.Context, c storetest.Case, v verb) cell {
	s := storetest.Start(c.Base()...)
	defer s.Close()
	before := w.seeds[c.Native]
	if err := replay(s, before.puts); err != nil {
		return cell{fault: err.Error()}
	}
	out, err := os.MkdirTemp(w.dir, "cell-")
	if err == nil && v.mends {
		err = spoil(s)
	}
	if err != nil {
		return cell{fault: err.Error()}
	}
	defer w.logins.add(s.Host)()
	fill := strings.NewReplacer("$IMAGE", s.Host+"/app:v1", "$REPO", s.Host+"/app", "$BARE", s.Host+"/app:bare", "$COPY", s.Host+"/copy:v1", "$DIR", w.dir, "$OUT", out)
	args := append(strings.Fields(fill.Replace(v.line)), "--timeout", timeoutOf(c))
	s.Set(c.All()...)
	var got cell
	got.code, got.printed = runLine(ctx, nil, args...)
	s.Set(c.Base()...)
	now, err := attached(ctx, s)
	missing := slices.DeleteFunc(slices.Clone(before.ids), func(id attach.ID) bool {
		return slices.Contains(now, id) || v.takes && id == before.second
	})
	switch {
	case err != nil:
		got.fault = fmt.Sprintf("what is there cannot be listed afterwards: %v", err)
	case len(missing) > 0:
		got.fault = fmt.Sprintf("gone: %v", missing)
	case got.code == 0 && v.adds && len(now) <= len(before.ids):
		got.fault = fmt.Sprintf("exit code 0, and nothing was attached: %d entries", len(now))
	case got.code == 0 && v.mends && !whole(s):
		got.fault = "exit code 0, and cosign's tag lacks a signature"
	case got.code == 0:
		got.fault = cmp.Or(ends(ctx, 0, fill.Replace(v.then)), ends(ctx, 1, fill.Replace(v.refuses)))
	}
	return got
}

// ends runs a command line, if there is one, and tells what is wrong unless it ends
// with that code.
func ends(ctx context.Context, code int, line string) string {
	if line == "" {
		return ""
	}
	if got, printed := runLine(ctx, nil, strings.Fields(line)...); got != code {
		return fmt.Sprintf("afterwards %q: exit code %d\n%s", line, got, printed)
	}
	return ""
}

// attached lists what is attached to the image, as a client without credentials
// and without anything remembered finds it.
func attached(ctx context.Context, s *storetest.Server) ([]attach.ID, error) {
	store, err := registry.New(s.Host+"/app", registry.Options{Keychain: authn.NewMultiKeychain()})
	if err != nil {
		return nil, err
	}
	sub, err := store.Resolve(ctx, "v1")
	if err != nil {
		return nil, err
	}
	all, errs := attach.Collect(ctx, store, sub)
	ids := make([]attach.ID, len(all))
	for i, a := range all {
		ids[i] = a.ID()
	}
	return ids, errors.Join(errs...)
}

// runLine runs one command line within this process.
func runLine(ctx context.Context, transport http.RoundTripper, args ...string) (code int, printed string) {
	var out bytes.Buffer
	app := &cli.App{
		In: strings.NewReader(""), Out: &out, Err: &out,
		LookupEnv: func(string) (string, bool) { return "", false },
		Now:       time.Now,
		Transport: transport,
	}
	code = app.Run(ctx, args)
	return code, out.String()
}

// document shows the matrix.
func (r *rules) document(cases []storetest.Case, columns []verb) string {
	var b strings.Builder
	b.WriteString(matrixPreface)
	b.WriteString("| registry |")
	for _, v := range columns {
		fmt.Fprintf(&b, " %s |", v.name)
	}
	b.WriteString("\n| --- |" + strings.Repeat(" --- |", len(columns)) + "\n")
	notes := make(map[string]int)
	var texts []string
	for _, c := range cases {
		fmt.Fprintf(&b, "| %s |", strings.ReplaceAll(c.Name(), "<", "&lt;"))
		for _, v := range columns {
			want := r.of(c.Name(), v.name)
			text := "works"
			if want.code != 0 {
				text = fmt.Sprintf("exit %d", want.code)
			}
			if want.why != "" {
				if notes[want.why] == 0 {
					texts = append(texts, want.why)
					notes[want.why] = len(texts)
				}
				text += fmt.Sprintf(" (%d)", notes[want.why])
			}
			fmt.Fprintf(&b, " %s |", text)
		}
		b.WriteString("\n")
	}
	b.WriteString("\n")
	for i, text := range texts {
		fmt.Fprintf(&b, "%d. %s\n", i+1, text)
	}
	return b.String()
}

// rules are the exceptions by registry and verb.
type rules struct {
	by map[[2]string]exception
}

// newRules reads [exceptions]. Each has to name registries and verbs that there are.
func newRules(t *testing.T, cases []storetest.Case, columns []verb) *rules {
	t.Helper()
	r := &rules{by: make(map[[2]string]exception)}
	for _, e := range exceptions() {
		on := regexp.MustCompile("^(?:" + e.on + ")$")
		hit := false
		for _, c := range cases {
			if !on.MatchString(c.Name()) {
				continue
			}
			for _, v := range columns {
				if v.among(e.verbs) {
					hit = true
					r.by[[2]string{c.Name(), v.name}] = e
				}
			}
		}
		if !hit {
			t.Errorf("the exception for %q on %q is about nothing", e.verbs, e.on)
		}
	}
	return r
}

func (r *rules) of(registry, verb string) exception { return r.by[[2]string{registry, verb}] }
