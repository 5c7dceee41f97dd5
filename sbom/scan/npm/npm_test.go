package npm_test

import (
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hallmark-oci/hallmark/sbom"
	"github.com/hallmark-oci/hallmark/sbom/scan/extract"
	"github.com/hallmark-oci/hallmark/sbom/scan/npm"
)

// files are paths and contents; a content that begins with "-> " is a symbolic link.
type files map[string]string

// resolve reads the files and returns what the extractor makes of them.
func resolve(t testing.TB, tree files) (extract.Result, *extract.View) {
	t.Helper()
	var x npm.Extractor
	var list []extract.File
	links := make(map[string]string)
	for name, body := range tree {
		if to, ok := strings.CutPrefix(body, "-> "); ok {
			links[name] = path.Join(path.Dir(name), to)
			continue
		}
		format := x.Match(name, int64(len(body)))
		if format == "" {
			continue
		}
		s := x.Open(format, int64(len(body)))
		if _, err := s.Write([]byte(body)); err != nil {
			t.Fatal(err)
		}
		if r, ok := s.Record(); ok {
			list = append(list, extract.File{Path: name, Format: format, Layer: "sha256:00", Record: r})
		}
	}
	slices.SortFunc(list, func(a, b extract.File) int { return strings.Compare(a.Path, b.Path) })
	v := extract.NewView(sbom.Distro{}, list, func(p string) string {
		for from, to := range links {
			if rest, ok := strings.CutPrefix(p+"/", from+"/"); ok {
				return path.Join(to, rest)
			}
		}
		return p
	})
	return x.Resolve(v), v
}

// packages returns the package URL, or the name where there is none, of each component.
func packages(res extract.Result) []string {
	var out []string
	for _, c := range res.Components {
		if c.PURL.IsZero() {
			out = append(out, string(c.Type)+" "+c.Name+"@"+c.Version)
			continue
		}
		out = append(out, string(c.Type)+" "+c.PURL.String())
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func edges(res extract.Result) []string {
	names := make(map[string]string)
	for _, c := range res.Components {
		names[c.ID] = c.Name + "@" + c.Version
	}
	var out []string
	for _, r := range res.Relations {
		out = append(out, names[r.From]+" -> "+names[r.To])
	}
	slices.Sort(out)
	return out
}

// TestPlaces holds where package managers put packages, and where test data of
// published packages stands.
func TestPlaces(t *testing.T) {
	const body = `{"name":"x","version":"1.0.0"}`
	tests := map[string]bool{
		"node_modules/x/package.json":                                            true,
		"app/node_modules/x/package.json":                                        true,
		"app/node_modules/@s/x/package.json":                                     true,
		"usr/lib/node_modules/npm/node_modules/@s/y/node_modules/x/package.json": true,
		"app/node_modules/.pnpm/x@1.0.0/node_modules/x/package.json":             true,
		"app/node_modules/.pnpm/x@1.0.0/node_modules/@s/x/package.json":          true,
		"app/node_modules/.store/x-npm-1/node_modules/x/package.json":            true,
		"app/node_modules/resolve/test/resolver/baz/package.json":                false,
		"app/node_modules/resolve/test/node_modules/x/package.json":              false,
		"app/node_modules/x/dist/esm/package.json":                               false,
		"app/node_modules/@s/package.json":                                       false,
		"app/node_modules/package.json":                                          false,
		"app/node_modules/.cache/package.json":                                   false,
		"app/node_modules/.cache/x/package.json":                                 false,
		"app/node_modules/.bin/x/node_modules/package.json":                      false,
		"app/package.json":                     false,
		"app/node_modules_old/x/package.json":  false,
		"app/node_modules/x/package.json.orig": false,
	}
	for name, want := range tests {
		res, _ := resolve(t, files{name: body})
		if got := len(res.Components) > 0; got != want {
			t.Errorf("%s: a package %v, want %v", name, got, want)
		}
	}
}

func TestManifests(t *testing.T) {
	tests := []struct {
		name, body, license, supplier string
	}{
		{"plain", `{"name":"x","version":"1.0.0","license":"MIT","author":"A B <a@b.c> (https://b.c)"}`, "MIT", "A B <a@b.c>"},
		{"objects", `{"name":"x","version":"1.0.0","license":{"type":"ISC","url":"u"},"author":{"name":"A","email":"a@b.c"}}`, "ISC", "A <a@b.c>"},
		{"lists", `{"name":"x","version":"1.0.0","licenses":[{"type":"MIT"},{"type":"Apache2"}]}`, "Apache2,MIT", ""},
		{"odd types", `{"name":"x","version":"1.0.0","license":7,"author":[],"dependencies":[],"peerDependencies":"x","private":"no"}`, "", ""},
		{"byte order mark", "\ufeff" + `{"name":"x","version":"1.0.0"}`, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			res, v := resolve(t, files{"node_modules/x/package.json": tt.body})
			if len(res.Components) != 1 || len(v.Unknowns()) != 0 {
				t.Fatalf("components %v, unknowns %v", res.Components, v.Unknowns())
			}
			c := res.Components[0]
			if got := strings.Join(c.Licenses, ","); got != tt.license || c.Supplier != tt.supplier {
				t.Errorf("license %q, supplier %q; want %q, %q", got, c.Supplier, tt.license, tt.supplier)
			}
		})
	}
}

func TestBroken(t *testing.T) {
	for name, body := range map[string]string{
		"syntax": `{"name":`, "a list": `[]`, "no version": `{"name":"x"}`, "no name": `{"version":"1"}`, "empty": "",
	} {
		res, v := resolve(t, files{"node_modules/x/package.json": body})
		if n := len(res.Unknowns) + len(v.Unknowns()); len(res.Components) != 0 || n != 1 {
			t.Errorf("%s: components %v, %d unknowns", name, res.Components, n)
		}
	}
}

// abc is "abc", hashed: FIPS 180-2, appendices A and C.
const (
	abc512    = "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
	abc512SRI = "sha512-3a81oZNherrMQXNJriBBMRLm+k6JqX6iCp7u5ktV05ohkpkqJ0/BqDa6PCOj/uu9RU1EI2Q86A4qmslPpUyknw=="
	abc1SRI   = "sha1-qZk+NkcGgWq6PiVxeFDCbJzQ2J0="
)

const lock3 = `{"name":"app","version":"1.0.0","lockfileVersion":3,"packages":{
 "":{"name":"app","version":"1.0.0","workspaces":["w"],"dependencies":{"a":"^1","al":"npm:real@2"},"devDependencies":{"d":"1"}},
 "node_modules/a":{"version":"1.2.3","resolved":"https://r/a.tgz","integrity":"` + abc512SRI + ` ` + abc1SRI + `?x","dependencies":{"b":"1"}},
 "node_modules/b":{"version":"2.0.0"},
 "node_modules/a/node_modules/b":{"version":"1.0.0","optional":true,"os":["sunos"]},
 "node_modules/al":{"name":"real","version":"2.0.0"},
 "node_modules/@s/c":{"version":"1.0.0","license":"MIT"},
 "node_modules/d":{"version":"1.0.0","dev":true,"peerDependencies":{"b":"2"}},
 "node_modules/w":{"resolved":"w","link":true},
 "w":{"version":"0.1.0","dependencies":{"@s/c":"1"},"devDependencies":{"d":"1"}}}}`

const lock1 = `{"name":"app","version":"1.0.0","lockfileVersion":1,"requires":true,"dependencies":{
 "a":{"version":"1.2.3","integrity":"` + abc512SRI + `","requires":{"b":"1"},"dependencies":{"b":{"version":"1.0.0"}}},
 "b":{"version":"2.0.0"},
 "al":{"version":"npm:real@2.0.0"},
 "g":{"version":"git+ssh://git@h/g.git#0123"}}}`

const app = `{"name":"app","version":"1.0.0","private":true,"dependencies":{"a":"^1","al":"npm:real@2"},"devDependencies":{"d":"1"}}`

func TestLockAlone(t *testing.T) {
	tests := []struct {
		name           string
		tree           files
		want, wantEdge []string
	}{
		{"version 3", files{"app/package.json": app, "app/package-lock.json": lock3},
			[]string{"application app@1.0.0", "library pkg:npm/%40s/c@1.0.0", "library pkg:npm/a@1.2.3", "library pkg:npm/b@1.0.0", "library pkg:npm/b@2.0.0",
				"library pkg:npm/d@1.0.0", "library pkg:npm/real@2.0.0", "library pkg:npm/w@0.1.0"},
			[]string{"a@1.2.3 -> b@1.0.0", "app@1.0.0 -> a@1.2.3", "app@1.0.0 -> d@1.0.0", "app@1.0.0 -> real@2.0.0", "d@1.0.0 -> b@2.0.0", "w@0.1.0 -> @s/c@1.0.0", "w@0.1.0 -> d@1.0.0"}},
		{"version 1", files{"app/package.json": app, "app/package-lock.json": lock1},
			[]string{"application app@1.0.0", "library pkg:npm/a@1.2.3", "library pkg:npm/b@1.0.0", "library pkg:npm/b@2.0.0", "library pkg:npm/g", "library pkg:npm/real@2.0.0"},
			[]string{"a@1.2.3 -> b@1.0.0", "app@1.0.0 -> a@1.2.3", "app@1.0.0 -> real@2.0.0"}},
		{"shrinkwrap goes first", files{"npm-shrinkwrap.json": lock1, "package-lock.json": lock3},
			[]string{"library pkg:npm/a@1.2.3", "library pkg:npm/b@1.0.0", "library pkg:npm/b@2.0.0", "library pkg:npm/g", "library pkg:npm/real@2.0.0"},
			[]string{"a@1.2.3 -> b@1.0.0"}},
		{"published lock files are nothing", files{"node_modules/x/package.json": `{"name":"x","version":"1"}`, "node_modules/x/package-lock.json": lock3},
			[]string{"library pkg:npm/x@1"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			res, _ := resolve(t, tt.tree)
			if d := cmp.Diff(tt.want, packages(res)); d != "" {
				t.Errorf("packages (-want +got):\n%s", d)
			}
			if d := cmp.Diff(tt.wantEdge, edges(res)); d != "" {
				t.Errorf("edges (-want +got):\n%s", d)
			}
			for _, c := range res.Components {
				if c.Name == "a" && !slices.Contains(c.Hashes, sbom.Hash{Algorithm: "SHA-512", Value: abc512}) {
					t.Errorf("hashes of a: %v", c.Hashes)
				}
			}
		})
	}
}

// TestInstalledCounts has a lock file that names more than is installed.
func TestInstalledCounts(t *testing.T) {
	tree := files{
		"app/package.json": app, "app/package-lock.json": lock3,
		"app/node_modules/.package-lock.json": lock3,
		"app/node_modules/a/package.json":     `{"name":"a","version":"1.2.3","dependencies":{"b":"1"}}`,
		"app/node_modules/b/package.json":     `{"name":"b","version":"2.0.1"}`,
		"app/node_modules/al/package.json":    `{"name":"real","version":"2.0.0"}`,
		"app/node_modules/w":                  "-> ../w",
		"app/w/package.json":                  `{"name":"w","version":"0.1.0","dependencies":{"a":"1"}}`,
	}
	res, _ := resolve(t, tree)
	want := []string{"application app@1.0.0", "library pkg:npm/a@1.2.3", "library pkg:npm/b@2.0.1", "library pkg:npm/real@2.0.0", "library pkg:npm/w@0.1.0"}
	if d := cmp.Diff(want, packages(res)); d != "" {
		t.Errorf("packages (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"a@1.2.3 -> b@2.0.1", "app@1.0.0 -> a@1.2.3", "app@1.0.0 -> real@2.0.0", "w@0.1.0 -> a@1.2.3"}, edges(res)); d != "" {
		t.Errorf("edges (-want +got):\n%s", d)
	}
	for _, c := range res.Components {
		switch hashed := len(c.Hashes) > 0; {
		case c.Name == "a" && !hashed, c.Name == "b" && hashed:
			t.Errorf("%s: hashes %v", c.Name, c.Hashes)
		}
		if c.Locations[0].Path == "app/package-lock.json" {
			t.Errorf("%s is proved by the lock file", c.Name)
		}
	}
}

// TestLinkedStore is the layout of pnpm: real packages in a store, links to them.
func TestLinkedStore(t *testing.T) {
	tree := files{
		"app/package.json":   `{"name":"app","version":"1.0.0","dependencies":{"a":"1"}}`,
		"app/node_modules/a": "-> .pnpm/a@1.0.0/node_modules/a",
		"app/node_modules/.pnpm/a@1.0.0/node_modules/a/package.json": `{"name":"a","version":"1.0.0","dependencies":{"b":"1"}}`,
		"app/node_modules/.pnpm/a@1.0.0/node_modules/b":              "-> ../../b@1.0.0/node_modules/b",
		"app/node_modules/.pnpm/b@1.0.0/node_modules/b/package.json": `{"name":"b","version":"1.0.0"}`,
	}
	res, _ := resolve(t, tree)
	if d := cmp.Diff([]string{"a@1.0.0 -> b@1.0.0", "app@1.0.0 -> a@1.0.0"}, edges(res)); d != "" {
		t.Errorf("edges (-want +got):\n%s", d)
	}
}

// TestOddPlaces has directories that look like steps of a path, and places
// that lead out of the image.
func TestOddPlaces(t *testing.T) {
	res, _ := resolve(t, files{
		"x./node_modules/a/package.json": `{"name":"a","version":"1","dependencies":{"b":"1","../a":"1","":"1","/":"1"}}`,
		"x./node_modules/b/package.json": `{"name":"b","version":"1"}`,
		"y/package-lock.json": `{"packages":{"/":{"version":"1","name":"z","dependencies":{"n":"1"}},"../../..":{"version":"1","name":"n","dependencies":{"z":"1"}},` +
			`"node_modules/l":{"link":true,"resolved":"/"}}}`,
	})
	if d := cmp.Diff([]string{"a@1 -> b@1"}, edges(res)); d != "" {
		t.Errorf("edges (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"library pkg:npm/a@1", "library pkg:npm/b@1", "library pkg:npm/n@1", "library pkg:npm/z@1"}, packages(res)); d != "" {
		t.Errorf("packages (-want +got):\n%s", d)
	}
}

func FuzzResolve(f *testing.F) {
	f.Add(app, lock3)
	f.Add(`{"name":"a","version":"1","dependencies":{"../x":"1","":"2"},"license":[{"type":"MIT"},[[]]]}`, lock1)
	f.Add(`{}`, `{"packages":{"../..":{"version":"1","name":"n"},"node_modules/x":{"link":true,"resolved":"../../.."},"/":{"version":"1","name":"z"}}}`)
	f.Add(app, `{"packages":{"/":{"version":"1","name":"z","dependencies":{"y":"1"}},"..":{"version":"1","name":"y","dependencies":{"z":"1"}}}}`)
	f.Fuzz(func(t *testing.T, manifest, lock string) {
		for _, tree := range []files{
			{"app/package.json": manifest, "app/package-lock.json": lock},
			{"package.json": manifest, "node_modules/a/package.json": manifest, "node_modules/.package-lock.json": lock, "package-lock.json": lock},
		} {
			res, _ := resolve(t, tree)
			ids := make(map[string]bool)
			for _, c := range res.Components {
				if c.Name == "" || ids[c.ID] {
					t.Errorf("component without a name or with the ID of another: %+v", c)
				}
				ids[c.ID] = true
			}
			for _, r := range res.Relations {
				if !ids[r.From] || !ids[r.To] {
					t.Errorf("relation to what is not there: %+v", r)
				}
			}
		}
	})
}
