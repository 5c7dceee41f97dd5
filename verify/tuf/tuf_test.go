package tuf

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
)

func initFrom(t *testing.T, dir string, at files, root []byte, now time.Time) (*Material, error) {
	t.Helper()
	return Init(t.Context(), dir, Options{Mirror: testMirror, Root: root, Transport: at, Now: now})
}

// TestInit follows a repository, loads what was kept, and follows it again.
func TestInit(t *testing.T) {
	r, dir := newRepo(t), t.TempDir()
	at := r.publish(make(files))
	first := at["1.root.json"]
	got, err := initFrom(t, dir, at, first, origin)
	if err != nil {
		t.Fatal(err)
	}
	want := Material{Mirror: testMirror, TrustedRoot: r.targets[trustedRootName], SigningConfig: r.targets[signingConfigName], Fetched: origin, Roles: []Role{
		{"root", 1, origin.AddDate(1, 0, 0)}, {"timestamp", 1, origin.AddDate(0, 0, 7)}, {"snapshot", 1, origin.AddDate(0, 0, 7)}, {"targets", 1, origin.AddDate(0, 0, 7)},
	}}
	same(t, got, &want)
	loaded, err := Load(dir, origin.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	same(t, loaded, &want)
	if e := loaded.Expires(); e.Name != "timestamp" || !e.Expires.Equal(origin.AddDate(0, 0, 7)) {
		t.Errorf("expires %+v", e)
	}

	r.targets[trustedRootName] = []byte(`{"trusted":2}`)
	r.next(at, "targets", "snapshot", "timestamp")
	r.next(at, "root") // a root beside it
	again, err := Init(t.Context(), dir, Options{Transport: at, Now: origin.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	if string(again.TrustedRoot) != `{"trusted":2}` || again.Roles[0].Version != 2 || again.Roles[1].Version != 2 {
		t.Errorf("%+v", again)
	}
	// Nothing new: the same again.
	if _, err := Init(t.Context(), dir, Options{Transport: at, Now: origin.Add(2 * time.Hour)}); err != nil {
		t.Error(err)
	}
	// Any root of the repository, however old, leads to the present.
	if _, err := initFrom(t, dir, at, first, origin.Add(3*time.Hour)); err != nil {
		t.Error(err)
	}
	onlyFile(t, dir)
}

func onlyFile(t *testing.T, dir string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil || len(list) != 1 || filepath.Join(dir, list[0].Name()) != File(dir) {
		t.Errorf("in the folder: %v, %v", list, err)
	}
}

func same(t *testing.T, got, want *Material) {
	t.Helper()
	a, err1 := json.Marshal(got)
	b, err2 := json.Marshal(want)
	if err := errors.Join(err1, err2); err != nil || !bytes.Equal(a, b) {
		t.Errorf("got  %s\nwant %s\n%v", a, b, err)
	}
}

// attacks are mirrors that must be refused, each made from a good one that was
// followed before, with the reason. Where fresh is set, it must be refused by one
// who comes for the first time too.
var attacks = []struct {
	name   string
	attack func(r *repo, at files)
	fresh  bool
	reason Reason
}{
	{"timestamp expired", func(r *repo, at files) {
		r.expires["timestamp"] = origin.Add(-time.Second)
		r.next(at, "timestamp")
	}, true, Expired},
	{"snapshot expired", func(r *repo, at files) {
		r.expires["snapshot"] = origin.Add(-time.Second)
		r.next(at, "timestamp", "snapshot")
	}, true, Expired},
	{"targets expired", func(r *repo, at files) {
		r.expires["targets"] = origin.Add(-time.Second)
		r.next(at, "timestamp", "snapshot", "targets")
	}, true, Expired},
	{"root expired", func(r *repo, at files) {
		r.expires["root"] = origin.Add(-time.Second)
		r.next(at, "root")
	}, true, Expired},
	{"timestamp of before", func(r *repo, at files) {
		r.version["timestamp"] = 1
		r.publish(at)
	}, false, Rollback},
	{"snapshot of before under a new timestamp", func(r *repo, at files) {
		r.version["snapshot"] = 1
		r.next(at, "timestamp")
	}, false, Rollback},
	{"targets of before under a new snapshot", func(r *repo, at files) {
		r.version["targets"] = 1
		r.next(at, "timestamp", "snapshot")
	}, false, Rollback},
	{"snapshot of another time", func(r *repo, at files) {
		r.next(at, "timestamp", "snapshot")
		at["3.snapshot.json"] = at["2.snapshot.json"]
	}, true, Rollback},
	{"snapshot names no targets", func(r *repo, at files) {
		r.snapshot = func(s *metadata.SnapshotType) {
			s.Meta = map[string]*metadata.MetaFiles{"other.json": metadata.MetaFile(1)}
		}
		r.next(at, "timestamp", "snapshot")
	}, true, Malformed},
	{"timestamp names no snapshot", func(r *repo, at files) {
		r.stamp = func(s *metadata.TimestampType) {
			s.Meta = map[string]*metadata.MetaFiles{"other.json": metadata.MetaFile(1)}
		}
		r.next(at, "timestamp")
	}, true, Malformed},
	{"metadata that name nothing", func(r *repo, at files) {
		r.snapshot = func(s *metadata.SnapshotType) { s.Meta["targets.json"] = nil }
		r.next(at, "timestamp", "snapshot")
	}, true, Malformed},
	{"a root without a role", func(r *repo, at files) {
		r.root = func(s *metadata.RootType) { s.Roles["timestamp"] = nil }
		r.next(at, "root")
	}, true, Malformed},
	{"a root without a key", func(r *repo, at files) {
		r.root = func(s *metadata.RootType) {
			for id := range s.Keys {
				s.Keys[id] = nil
			}
		}
		r.next(at, "root")
	}, true, Malformed},
	{"a target that is null", func(r *repo, at files) {
		r.list = func(s *metadata.TargetsType) { s.Targets[trustedRootName] = nil }
		r.next(at, "timestamp", "snapshot", "targets")
	}, true, Malformed},
	{"root version left out", func(r *repo, at files) {
		r.version["root"] = 3
		r.publish(at)
		at["2.root.json"] = at["3.root.json"]
	}, true, Rollback},
	{"root signed by one of two", func(r *repo, at files) {
		r.signers["root"] = []string{"a"}
		r.next(at, "root")
	}, true, Unsigned},
	{"root signed by its own new keys only", func(r *repo, at files) {
		r.signers["root"] = []string{"c", "stranger"}
		r.root = func(s *metadata.RootType) { _ = s.AddKey(r.public["stranger"], "root") }
		r.next(at, "root")
	}, true, Unsigned},
	{"root with one key under two names", func(r *repo, at files) {
		// The key a, listed twice, cannot make two signatures.
		r.signers["root"] = []string{"a"}
		r.root = func(s *metadata.RootType) {
			s.Keys["twin"] = r.public["a"]
			s.Roles["root"].KeyIDs = append(s.Roles["root"].KeyIDs, "twin")
		}
		r.next(at, "root")
	}, true, Unsigned},
	{"timestamp by a stranger", func(r *repo, at files) {
		r.signers["timestamp"] = []string{"stranger"}
		r.next(at, "timestamp")
	}, true, Unsigned},
	{"timestamp by the key of another role", func(r *repo, at files) {
		r.signers["timestamp"] = []string{"snapshot"}
		r.next(at, "timestamp")
	}, true, Unsigned},
	{"targets by a stranger", func(r *repo, at files) {
		r.signers["targets"] = []string{"stranger"}
		r.next(at, "timestamp", "snapshot", "targets")
	}, true, Unsigned},
	{"one byte of the signed part", func(_ *repo, at files) {
		at["timestamp.json"] = bytes.Replace(at["timestamp.json"], []byte("2026-03-08"), []byte("2026-03-09"), 1)
	}, true, Unsigned},
	{"snapshot as timestamp", func(_ *repo, at files) { at["timestamp.json"] = at["2.snapshot.json"] }, true, Malformed},
	{"document changed", func(r *repo, at files) { spoil(at, trustedRootName, []byte(`{"trusted":9}`)) }, true, Mismatch},
	{"document cut", func(r *repo, at files) { spoil(at, trustedRootName, []byte(`{`)) }, true, Mismatch},
	{"document longer than named", func(r *repo, at files) { spoil(at, trustedRootName, []byte(`{"trusted":1}   `)) }, true, Oversized},
	{"signing config changed", func(r *repo, at files) { spoil(at, signingConfigName, []byte(`{"signing":9}`)) }, true, Mismatch},
	{"signing config withheld", func(r *repo, at files) { spoil(at, signingConfigName, nil) }, true, Unreachable},
	{"no trusted root", func(r *repo, at files) {
		delete(r.targets, trustedRootName)
		r.next(at, "timestamp", "snapshot", "targets")
	}, true, Absent},
	{"document without hash", func(r *repo, at files) {
		r.list = func(s *metadata.TargetsType) { s.Targets[trustedRootName].Hashes = metadata.Hashes{} }
		r.next(at, "timestamp", "snapshot", "targets")
		at["targets/."+trustedRootName] = r.targets[trustedRootName]
	}, true, Malformed},
	{"document of unknown hash", func(r *repo, at files) {
		r.list = func(s *metadata.TargetsType) {
			h := s.Targets[trustedRootName].Hashes
			h["crc32"] = metadata.HexBytes{1, 2, 3, 4}
		}
		r.next(at, "timestamp", "snapshot", "targets")
	}, true, Mismatch},
	{"document of nothing but an unknown hash", func(r *repo, at files) {
		r.list = func(s *metadata.TargetsType) {
			s.Targets[trustedRootName].Hashes = metadata.Hashes{"crc32": metadata.HexBytes{1, 2, 3, 4}}
		}
		r.next(at, "timestamp", "snapshot", "targets")
		at["targets/."+trustedRootName] = r.targets[trustedRootName]
	}, true, Malformed},
	{"document of a gigabyte", func(r *repo, at files) {
		r.list = func(s *metadata.TargetsType) { s.Targets[trustedRootName].Length = 1 << 30 }
		r.next(at, "timestamp", "snapshot", "targets")
	}, true, Oversized},
	{"document of negative length", func(r *repo, at files) {
		r.list = func(s *metadata.TargetsType) { s.Targets[trustedRootName].Length = -1 }
		r.next(at, "timestamp", "snapshot", "targets")
	}, true, Oversized},
	{"snapshot of a gigabyte", func(r *repo, at files) {
		r.stamp = func(s *metadata.TimestampType) { s.Meta["snapshot.json"].Length = 1 << 30 }
		r.next(at, "timestamp", "snapshot")
	}, true, Oversized},
	{"endless timestamp", func(_ *repo, at files) { at["timestamp.json"] = make([]byte, maxTimestamp+1) }, true, Oversized},
	{"no JSON", func(_ *repo, at files) { at["timestamp.json"] = []byte("<html>") }, true, Malformed},
	{"no timestamp", func(_ *repo, at files) { delete(at, "timestamp.json") }, true, Unreachable},
}

func spoil(at files, name string, raw []byte) {
	for k := range at {
		if strings.HasSuffix(k, "."+name) {
			if raw == nil {
				delete(at, k)
			} else {
				at[k] = raw
			}
		}
	}
}

// TestAttacks: each is refused for its reason, by those who knew the repository
// and by newcomers, and what was kept stays.
func TestAttacks(t *testing.T) {
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			r, dir := newRepo(t), t.TempDir()
			at := r.publish(make(files))
			first := at["1.root.json"]
			r.next(at, "timestamp", "snapshot", "targets")
			if _, err := initFrom(t, dir, at, first, origin.Add(-time.Hour)); err != nil {
				t.Fatal(err)
			}
			before, err := os.ReadFile(File(dir))
			if err != nil {
				t.Fatal(err)
			}
			evil := at.clone()
			a.attack(r, evil)
			refuse := func(dir string, root []byte) {
				t.Helper()
				m, err := initFrom(t, dir, evil, root, origin)
				if err == nil {
					t.Fatalf("accepted: %s", m.TrustedRoot)
				}
				if got := ReasonOf(err); got != a.reason {
					t.Errorf("reason %q, not %q: %v", got, a.reason, err)
				}
			}
			// Documents that are kept are not asked for again where nothing changed,
			// but they are here: the state before was another.
			refuse(dir, nil)
			refuse(dir, first)
			if after, err := os.ReadFile(File(dir)); err != nil || !bytes.Equal(before, after) {
				t.Errorf("what was kept has changed, %v", err)
			}
			onlyFile(t, dir)
			empty := t.TempDir()
			if a.fresh {
				refuse(empty, first)
			} else if _, err := initFrom(t, empty, evil, first, origin); err != nil {
				t.Errorf("to a newcomer it is good, but: %v", err)
			}
		})
	}
}

// TestSpelling: a mirror that is named with a slash at its end is the same one, of
// which nothing older is taken than it said before. What was kept under that name
// is remembered too.
func TestSpelling(t *testing.T) {
	for _, names := range [][2]string{{testMirror, testMirror + "/"}, {testMirror + "/", testMirror}, {testMirror, testMirror + "//"}} {
		for _, rewrite := range []bool{false, true} {
			r, dir := newRepo(t), t.TempDir()
			at := r.publish(make(files))
			first, before := at["1.root.json"], at.clone()
			r.next(at, "timestamp", "snapshot", "targets")
			ask := func(name string, at files) (*Material, error) {
				return Init(t.Context(), dir, Options{Mirror: name, Root: first, Transport: at, Now: origin})
			}
			m, err := ask(names[0], at)
			if err != nil || m.Mirror != testMirror {
				t.Fatalf("%s: %+v, %v", names[0], m, err)
			}
			if rewrite {
				k, err := read(File(dir))
				if err != nil {
					t.Fatal(err)
				}
				k.Mirror = names[0]
				if err := k.write(File(dir)); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := ask(names[1], before); ReasonOf(err) != Rollback {
				t.Errorf("%s after %s: %v", names[1], names[0], err)
			}
			if _, err := ask("", before); ReasonOf(err) != Rollback {
				t.Errorf("no name after %s: %v", names[0], err)
			}
		}
	}
}

// TestRotation: a repository whose keys were lost can go back in its numbers under
// a root that says so, and rotated keys sign from then on.
func TestRotation(t *testing.T) {
	r, dir := newRepo(t), t.TempDir()
	at := r.publish(make(files))
	r.next(at, "timestamp", "timestamp", "timestamp")
	if _, err := initFrom(t, dir, at, at["1.root.json"], origin); err != nil {
		t.Fatal(err)
	}
	r.root = func(s *metadata.RootType) {
		s.Roles["timestamp"].KeyIDs = nil
		_ = s.AddKey(r.public["stranger"], "timestamp")
	}
	r.version["timestamp"] = 1
	r.signers["timestamp"] = []string{"stranger"}
	r.next(at, "root")
	m, err := initFrom(t, dir, at, nil, origin)
	if err != nil || m.Roles[1].Version != 1 {
		t.Errorf("%+v, %v", m, err)
	}
	// Its old root is not taken any more where a newer one was seen.
	delete(at, "2.root.json")
	if _, err := initFrom(t, dir, at, at["1.root.json"], origin); ReasonOf(err) != Rollback {
		t.Error(err)
	}
}

// TestNames: names in the repository become no path, here or at the mirror.
func TestNames(t *testing.T) {
	r, dir := newRepo(t), t.TempDir()
	for _, name := range []string{"../../../evil", "/etc/evil", `..\evil`, "trusted_root.json/../evil"} {
		r.targets[name] = []byte("evil")
	}
	asked := &asking{files: r.publish(make(files))}
	if _, err := Init(t.Context(), dir, Options{Mirror: testMirror, Root: asked.files["1.root.json"], Transport: asked, Now: origin}); err != nil {
		t.Fatal(err)
	}
	onlyFile(t, dir)
	for _, line := range asked.urls {
		if strings.Contains(line, "evil") {
			t.Errorf("asked for %s", line)
		}
	}
	if len(asked.urls) != 6 {
		t.Errorf("%d requests: %q", len(asked.urls), asked.urls)
	}
}

// asking notes what is asked for.
type asking struct {
	files
	urls []string
}

// RoundTrip implements http.RoundTripper.
func (a *asking) RoundTrip(r *http.Request) (*http.Response, error) {
	a.urls = append(a.urls, r.URL.String())
	return a.files.RoundTrip(r)
}

// TestLoad: what is kept is judged again when it is loaded.
func TestLoad(t *testing.T) {
	r, dir := newRepo(t), t.TempDir()
	if _, err := Load(dir, origin); ReasonOf(err) != None {
		t.Errorf("nothing there: %v", err)
	}
	at := r.publish(make(files))
	if _, err := initFrom(t, dir, at, at["1.root.json"], origin); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir, origin.AddDate(0, 0, 7).Add(-time.Second)); err != nil {
		t.Error(err)
	}
	_, err := Load(dir, origin.AddDate(0, 0, 8))
	if ReasonOf(err) != Expired || !strings.Contains(err.Error(), "2026-03-08T12:00:00Z") {
		t.Errorf("expired: %v", err)
	}
	raw, err := os.ReadFile(File(dir))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(map[string]any)
		reason Reason
	}{
		"trusted root":   {func(m map[string]any) { m["trustedRoot"] = []byte(`{"trusted":9}`) }, Mismatch},
		"signing config": {func(m map[string]any) { m["signingConfig"] = []byte(`{"signing":9}`) }, Mismatch},
		"no config":      {func(m map[string]any) { delete(m, "signingConfig") }, Mismatch},
		"timestamp":      {func(m map[string]any) { m["timestamp"] = m["snapshot"] }, Malformed},
		"root":           {func(m map[string]any) { m["root"] = []byte("{}") }, Malformed},
		"kind":           {func(m map[string]any) { m["kind"] = "other" }, Malformed},
		"version":        {func(m map[string]any) { m["version"] = 2 }, Malformed},
		"too large":      {func(m map[string]any) { m["x"] = strings.Repeat("x", maxFile) }, Oversized},
	} {
		m := make(map[string]any)
		if err := json.Unmarshal(raw, &m); err != nil {
			t.Fatal(err)
		}
		c.change(m)
		changed, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(File(dir), changed, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(dir, origin); ReasonOf(err) != c.reason {
			t.Errorf("%s: %v", name, err)
		}
		// A file that cannot be read is not overwritten: it knows what was seen.
		if c.reason == Malformed && name != "timestamp" && name != "root" {
			if _, err := initFrom(t, dir, at, at["1.root.json"], origin); ReasonOf(err) != Malformed {
				t.Errorf("init over %s: %v", name, err)
			}
		}
	}
}

// TestMirrors: names of mirrors, and mirrors that send elsewhere or answer oddly.
func TestMirrors(t *testing.T) {
	r := newRepo(t)
	at := r.publish(make(files))
	root := at["1.root.json"]
	for _, name := range []string{"mirror", "ftp://host/", "file:///etc", "https://", "https://user:secret@host/", "https://host/?q=1", "https://host/#f"} {
		_, err := Init(t.Context(), t.TempDir(), Options{Mirror: name, Root: root, Transport: at, Now: origin})
		if ReasonOf(err) != Misused || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Init(t.Context(), t.TempDir(), Options{Mirror: testMirror, Transport: at, Now: origin}); ReasonOf(err) != Misused {
		t.Errorf("no root: %v", err)
	}
	answers := map[string]func(*http.Request) (*http.Response, error){
		"redirect": func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 302, Header: http.Header{"Location": {"https://elsewhere.example/"}}, Body: http.NoBody, Request: r}, nil
		},
		"500": func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 500, Status: "500 Broken", Body: http.NoBody, Request: r}, nil
		},
		"cut": func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Body: io.NopCloser(io.MultiReader(strings.NewReader("{"), broken{})), Request: r}, nil
		},
		"none": func(*http.Request) (*http.Response, error) { return nil, errors.New("no route") },
	}
	for name, answer := range answers {
		_, err := Init(t.Context(), t.TempDir(), Options{Mirror: testMirror, Root: root, Transport: transport(answer), Now: origin})
		if ReasonOf(err) != Unreachable {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Init(ctx, t.TempDir(), Options{Mirror: testMirror, Root: root, Now: origin, Transport: transport(func(r *http.Request) (*http.Response, error) {
		return nil, r.Context().Err()
	})})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

type transport func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

type broken struct{}

// Read implements io.Reader.
func (broken) Read([]byte) (int, error) { return 0, errors.New("the line is cut") }

// TestCheck: what the caller cannot use is not kept.
func TestCheck(t *testing.T) {
	r, dir := newRepo(t), t.TempDir()
	at := r.publish(make(files))
	_, err := Init(t.Context(), dir, Options{Mirror: testMirror, Root: at["1.root.json"], Transport: at, Now: origin, Check: func(raw []byte) error {
		if string(raw) != `{"trusted":1}` {
			t.Errorf("checked %s", raw)
		}
		return errors.New("unusable")
	}})
	if ReasonOf(err) != Malformed || !strings.Contains(err.Error(), "unusable") {
		t.Error(err)
	}
	if _, err := os.Stat(File(dir)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it was kept: %v", err)
	}
}

// TestPublicGood follows the real metadata of Sigstore's public instance, as they
// were in August 2026, from the root that is built in and from its fifth one: the
// first four have their keys in a form that is no longer read.
func TestPublicGood(t *testing.T) {
	at := make(files)
	dir := filepath.Join("testdata", "public-good")
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		raw, err := os.ReadFile(path)
		at[filepath.ToSlash(rel)] = raw
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	mirror := transport(func(r *http.Request) (*http.Response, error) {
		if !strings.HasPrefix(r.URL.String(), PublicGood+"/") {
			t.Errorf("asked %s", r.URL)
		}
		return at.RoundTrip(r)
	})
	now := time.Date(2026, 8, 22, 0, 0, 0, 0, time.UTC)
	for name, root := range map[string][]byte{"built in": nil, "the fifth": at["5.root.json"]} {
		m, err := Init(t.Context(), t.TempDir(), Options{Root: root, Transport: mirror, Now: now})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		versions := make(map[string]int64)
		for _, r := range m.Roles {
			versions[r.Name] = r.Version
		}
		want := map[string]int64{"root": 15, "timestamp": 762, "snapshot": 165, "targets": 14}
		if !maps.Equal(versions, want) || !bytes.Contains(m.TrustedRoot, []byte("rekor.sigstore.dev")) || m.SigningConfig == nil {
			t.Errorf("%s: %v", name, versions)
		}
		if e := m.Expires(); e.Name != "timestamp" || e.Expires.Format(time.DateOnly) != "2026-08-28" {
			t.Errorf("%s: expires %v", name, e)
		}
	}
	_, err = Init(t.Context(), t.TempDir(), Options{Transport: mirror, Now: now.AddDate(0, 0, 7)})
	if ReasonOf(err) != Expired {
		t.Errorf("a week later: %v", err)
	}
}

// FuzzMetadata: whatever a mirror answers instead of one file is refused or is the
// same as before; nothing panics.
func FuzzMetadata(f *testing.F) {
	names := []string{"timestamp.json", "1.snapshot.json", "1.targets.json", "2.root.json"}
	for i := range names {
		f.Add(i, []byte(`{"signed":{"_type":"timestamp","version":2},"signatures":[]}`))
	}
	good := newRepo(f).publish(make(files))
	f.Fuzz(func(t *testing.T, i int, raw []byte) {
		at := good.clone()
		name := names[max(i, 0)%len(names)]
		at[name] = raw
		m, err := Init(t.Context(), t.TempDir(), Options{Mirror: testMirror, Root: at["1.root.json"], Transport: at, Now: origin})
		if err == nil {
			t.Errorf("%s %q gives %+v", name, raw, m)
		} else if ReasonOf(err) == "" {
			t.Errorf("no reason: %v", err)
		}
	})
}

// FuzzKept: whatever is in the file is refused for a reason.
func FuzzKept(f *testing.F) {
	f.Add([]byte(`{"kind":"hallmark.tuf","version":1,"root":"e30="}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(File(dir), raw, 0o600); err != nil {
			t.Fatal(err)
		}
		if m, err := Load(dir, origin); err == nil || ReasonOf(err) == "" {
			t.Errorf("%q gives %+v, %v", raw, m, err)
		}
	})
}

// TestReasons: the codes are told apart.
func TestReasons(t *testing.T) {
	all := []Reason{None, Misused, Unreachable, Unreadable, Malformed, Oversized, Expired, Rollback, Unsigned, Mismatch, Absent}
	slices.Sort(all)
	if len(slices.Compact(slices.Clone(all))) != len(all) {
		t.Errorf("two reasons are the same: %q", all)
	}
}
