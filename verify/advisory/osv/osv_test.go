package osv

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hallmark-oci/hallmark/verify/advisory"
)

// minimal is a record with what the schema asks for and a package.
func minimal(id string) string {
	return `{"id":"` + id + `","modified":"2024-01-02T03:04:05Z","affected":[{"package":{"ecosystem":"Go","name":"a.b/c"},
		"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"1.2.3"}]}]}]}`
}

func TestParse(t *testing.T) {
	a, n, err := Parse([]byte(`{"schema_version":"1.7.0","id":"X-1","modified":"2024-01-02T03:04:05.678Z","withdrawn":"2024-02-01T00:00:00Z",
		"aliases":["CVE-2024-1"],"upstream":["CVE-2024-2"],"related":["Y-1"],"summary":"bad","brand_new":{"a":[1]},
		"severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"}],
		"references":[{"type":"FIX","url":"https://f"},{"type":"WEB","url":"javascript:x"},{"type":"WEB","url":"https://w"},{"type":"ADVISORY","url":"https://a"}],
		"database_specific":{"severity":"HIGH","other":[]},
		"affected":[{"package":{"ecosystem":"Maven","name":"g:a","purl":"pkg:maven/g/a"},"versions":["1","2"],
		  "database_specific":{"last_known_affected_version_range":"<= 29.0"},"ecosystem_specific":{"severity":"low"},
		  "ranges":[{"type":"GIT","repo":"https://r","events":[{"introduced":"0"},{"fixed":"abc"}]},
		    {"type":"ECOSYSTEM","events":[{"introduced":"1"},{"last_affected":"2"},{"limit":"3"}]}]}]}`))
	if err != nil || len(n.Ecosystems)+len(n.RangeTypes)+len(n.Events) != 0 {
		t.Fatal(n, err)
	}
	a.Digest = [32]byte{}
	want := advisory.Advisory{
		ID: "X-1", Aliases: []string{"CVE-2024-1"}, Upstream: []string{"CVE-2024-2"}, Summary: "bad", URL: "https://a", Level: advisory.High,
		Modified: time.Date(2024, 1, 2, 3, 4, 5, 678e6, time.UTC), Withdrawn: time.Date(2024, 2, 1, 0, 0, 0, 0, time.UTC),
		Severity: []advisory.Severity{{Type: "CVSS_V3", Score: "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"}},
		Affected: []advisory.Affected{{
			Package: advisory.Package{Ecosystem: "Maven", Name: "g:a"}, Versions: []string{"1", "2"}, LastKnown: "<= 29.0", Level: advisory.Low,
			Ranges: []advisory.Range{
				{Type: advisory.GitRange, Events: []advisory.Event{{Kind: advisory.Introduced, Version: "0"}, {Kind: advisory.Fixed, Version: "abc"}}},
				{Type: advisory.EcosystemRange, Events: []advisory.Event{{Kind: advisory.Introduced, Version: "1"}, {Kind: advisory.LastAffected, Version: "2"}, {Kind: advisory.Limit, Version: "3"}}},
			},
		}},
	}
	if d := cmp.Diff(want, a); d != "" {
		t.Error(d)
	}
}

func TestNotes(t *testing.T) {
	_, n, err := Parse([]byte(`{"id":"X","database_specific":"text","affected":[{"package":{"ecosystem":"Plan 9","name":"p"},"database_specific":[1],
		"ranges":[{"type":"QUANTUM","events":[{"maybe":"1"}]},{"type":"SEMVER","events":[{"introduced":"0"},{"paused":"1"}]}]}]}`))
	want := Notes{Ecosystems: []string{"Plan 9"}, RangeTypes: []string{"QUANTUM"}, Events: []string{"paused"}}
	if d := cmp.Diff(want, n); err != nil || d != "" {
		t.Error(err, d)
	}
}

func TestParseRefuses(t *testing.T) {
	for name, doc := range map[string]string{
		"empty": "", "not JSON": "{", "a list": "[]", "null": "null", "cut off": minimal("X")[:60], "two documents": minimal("X") + minimal("Y"),
		"not UTF-8": "{\"id\":\"\xff\"}", "no id": `{}`, "empty id": `{"id":""}`, "id is a number": `{"id":1}`,
		"id twice": `{"id":"A","id":"B"}`, "id in two spellings": `{"id":"A","ID":"B"}`,
		"long id": `{"id":"` + strings.Repeat("x", MaxID+1) + `"}`, "id with escape": `{"id":"A\u001b[31m"}`,
		"deep":               `{"id":"A","x":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`,
		"bad withdrawn":      `{"id":"A","withdrawn":"yesterday"}`,
		"affected is text":   `{"id":"A","affected":"all"}`,
		"package is text":    `{"id":"A","affected":[{"package":"p"}]}`,
		"no package name":    `{"id":"A","affected":[{"package":{"ecosystem":"Go"}}]}`,
		"no ecosystem":       `{"id":"A","affected":[{"package":{"name":"Go"}}]}`,
		"two events at once": `{"id":"A","affected":[{"ranges":[{"type":"SEMVER","events":[{"introduced":"0","fixed":"1"}]}]}]}`,
		"no introduced":      `{"id":"A","affected":[{"ranges":[{"type":"SEMVER","events":[{"fixed":"1"}]}]}]}`,
		"empty event":        `{"id":"A","affected":[{"ranges":[{"type":"SEMVER","events":[{"introduced":""}]}]}]}`,
		"event is a number":  `{"id":"A","affected":[{"ranges":[{"type":"SEMVER","events":[{"introduced":0}]}]}]}`,
		"versions of number": `{"id":"A","affected":[{"versions":[1]}]}`,
	} {
		if _, _, err := Parse([]byte(doc)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: error %v, want ErrMalformed", name, err)
		}
	}
}

// write puts files into a new directory and returns its path.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		p := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// pack makes a zip archive of the files.
func pack(t *testing.T, files map[string]string) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, content := range files {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func ids(s advisory.Set) string {
	var out []string
	for _, a := range s.Advisories {
		out = append(out, a.ID+"@"+a.Path)
	}
	return strings.Join(out, " ")
}

func TestDirectory(t *testing.T) {
	dir := write(t, map[string]string{
		"b.json": minimal("B"), "deep/er/a.JSON": minimal("A"), "deep/bad.json": "{", "deep/README.md": "", ".git/x.json": minimal("HIDDEN"),
		".y.json": minimal("HIDDEN"), "twice.json": minimal("B"), "all.zip": pack(t, map[string]string{"Z/z.json": minimal("Z"), "x.txt": "", "bad.json": "[]"}),
	})
	if err := os.Symlink("b.json", filepath.Join(dir, "link.json")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/hostname", filepath.Join(dir, "out.json")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "dir.json"), 0o755); err != nil {
		t.Fatal(err)
	}
	s, err := Load(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := ids(s), "A@deep/er/a.JSON B@b.json Z@all.zip!Z/z.json"; got != want {
		t.Errorf("advisories %s, want %s", got, want)
	}
	var bad []string
	for _, b := range s.Load.Bad {
		bad = append(bad, b.Path)
		if b.Reason == "" {
			t.Errorf("%s is bad without a reason", b.Path)
		}
	}
	if d := cmp.Diff([]string{"all.zip!bad.json", "deep/bad.json", "out.json"}, bad); d != "" {
		t.Error(d)
	}
	if s.Load.Records != 8 || s.Load.Ignored != 2 || s.Load.Duplicates != 2 {
		t.Errorf("load %+v", s.Load)
	}
}

// TestSameFromEverywhere: file, directory and archive of the same records are
// the same set.
func TestSameFromEverywhere(t *testing.T) {
	dir := write(t, map[string]string{"x.json": minimal("X")})
	archive := filepath.Join(write(t, map[string]string{"all.bin": pack(t, map[string]string{"q/x.json": minimal("X")})}), "all.bin")
	var digests []string
	for _, p := range []string{dir, filepath.Join(dir, "x.json"), archive} {
		s, err := Load(t.Context(), p)
		if err != nil || len(s.Advisories) != 1 || len(s.Load.Bad) != 0 {
			t.Fatalf("%s: %+v, %v", p, s.Load, err)
		}
		digests = append(digests, s.Digest())
	}
	if digests[0] != digests[1] || digests[1] != digests[2] {
		t.Error("digests differ:", digests)
	}
}

func TestLimits(t *testing.T) {
	two := map[string]string{"a.json": minimal("A"), "b.json": minimal("B")}
	bomb := pack(t, map[string]string{"a.json": `{"id":"A","details":"` + strings.Repeat("a", 300_000) + `"}`})
	many := make(map[string]string)
	for i := range 500 {
		many[fmt.Sprintf("%04d-%s.json", i, strings.Repeat("n", 200))] = minimal(fmt.Sprint(i))
	}
	for name, c := range map[string]struct {
		files map[string]string
		set   func(*limits)
	}{
		"files":                {two, func(l *limits) { l.files = 1 }},
		"total":                {two, func(l *limits) { l.total = 200 }},
		"archive":              {map[string]string{"x.zip": bomb}, func(l *limits) { l.archive = 100 }},
		"directory of archive": {map[string]string{"x.zip": pack(t, many)}, func(l *limits) { l.directory = 50_000 }},
		"files in archive":     {map[string]string{"x.zip": pack(t, two)}, func(l *limits) { l.files = 1 }},
	} {
		lim := defaults()
		c.set(&lim)
		if _, err := load(t.Context(), write(t, c.files), lim); !errors.Is(err, ErrLimit) {
			t.Errorf("%s: error %v, want ErrLimit", name, err)
		}
	}
	lim := defaults()
	lim.record = 250
	s, err := load(t.Context(), write(t, map[string]string{"a.json": minimal("A"), "big.json": minimal(strings.Repeat("B", 200)), "x.zip": bomb}), lim)
	if err != nil || len(s.Advisories) != 1 || len(s.Load.Bad) != 2 {
		t.Errorf("records over the limit: %+v, %v", s.Load, err)
	}
}

// TestBomb: many small records in a tiny archive inflate beyond the ratio.
func TestBomb(t *testing.T) {
	files := make(map[string]string)
	for i := range 40 {
		files[fmt.Sprint(i, ".json")] = `{"id":"A","details":"` + strings.Repeat("a", 300_000) + `"}`
	}
	lim := defaults()
	lim.record = 400_000
	dir := write(t, map[string]string{"x.zip": pack(t, files)})
	if _, err := load(t.Context(), dir, lim); !errors.Is(err, ErrLimit) {
		t.Errorf("error %v, want ErrLimit", err)
	}
}

func TestUnreadable(t *testing.T) {
	dir := write(t, map[string]string{"a.zip": "PK\x03\x04 and then nothing"})
	for _, p := range []string{dir, filepath.Join(dir, "a.zip"), filepath.Join(dir, "absent")} {
		if _, err := Load(t.Context(), p); err == nil {
			t.Errorf("%s is loaded", p)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Load(ctx, write(t, map[string]string{"a.json": minimal("A")})); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
}

// TestCorpus reads all published records: none is bad, none gets lost.
func TestCorpus(t *testing.T) {
	for _, folder := range []string{"Go", "PyPI", "crates.io"} {
		files, err := filepath.Glob(filepath.Join(corpora(t), "osv", folder, "*.json"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%d files, %v", len(files), err)
		}
		want := len(files)
		s, err := Load(t.Context(), filepath.Join(corpora(t), "osv", folder))
		if err != nil {
			t.Fatal(err)
		}
		l := s.Load
		if len(s.Advisories) != want || l.Records != want || len(l.Bad)+len(l.Ecosystems)+len(l.RangeTypes)+len(l.Events)+l.Duplicates != 0 {
			t.Errorf("%s: %d advisories, want %d: %+v", folder, len(s.Advisories), want, l)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(minimal("A")))
	f.Add([]byte(`{"id":"X","database_specific":"text","affected":[{"package":null,"ranges":[{"type":"Q","events":[{"maybe":"1"}]}]}]}`))
	f.Add([]byte(`{"id":"A","affected":[null],"severity":[null],"references":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, _, err := Parse(data)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatalf("unexpected error %v", err)
			}
			return
		}
		if a.ID == "" {
			t.Fatal("a record without an id")
		}
		for i := range a.Affected {
			a.Rating(&a.Affected[i])
		}
	})
}

func FuzzArchive(f *testing.F) {
	f.Add([]byte("PK\x03\x04"))
	f.Add([]byte("PK\x05\x06" + strings.Repeat("\x00", 18)))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := source{limits: defaults()}
		if err := s.archive("x.zip", bytes.NewReader(data), int64(len(data))); err != nil {
			return
		}
		for _, it := range s.items {
			_, _ = s.read(it)
		}
	})
}

func BenchmarkLoad(b *testing.B) {
	dir := filepath.Join(corpora(b), "osv")
	b.ReportAllocs()
	for b.Loop() {
		if s, err := Load(b.Context(), dir); err != nil || len(s.Advisories) == 0 {
			b.Fatal(len(s.Advisories), err)
		}
	}
}

func corpora(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("HALLMARK_CORPORA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "shared", "corpora")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Fatalf("test data is missing, set HALLMARK_CORPORA to its folder: %v", err)
	}
	return dir
}
