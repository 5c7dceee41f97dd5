package scan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hallmark-oci/hallmark/sbom"
)

// pkg is an installed npm package: a file whose visibility shows in the inventory.
func pkg(dir, version string) entry {
	name := dir[strings.LastIndexByte(dir, '/')+1:]
	return file(dir+"/package.json", fmt.Sprintf(`{"name":%q,"version":%q}`, name, version))
}

func TestMerge(t *testing.T) {
	const a, b = "app/node_modules/a", "app/node_modules/b"
	tests := []struct {
		name   string
		layers []layerTar
		want   []string
	}{
		{"one layer", []layerTar{{pkg(a, "1"), pkg(b, "1")}}, []string{"a@1", "b@1"}},
		{"upper file wins", []layerTar{{pkg(a, "1")}, {pkg(a, "2")}}, []string{"a@2"}},
		{"last duplicate wins", []layerTar{{pkg(a, "1"), pkg(a, "2")}}, []string{"a@2"}},
		{"dot and slash prefixes", []layerTar{{pkg("./"+a, "1")}, {pkg("/"+a, "2")}, {pkg("./x/../"+b, "3")}}, []string{"a@2", "b@3"}},
		{"leaves the root", []layerTar{{pkg("../../"+a, "1")}}, []string{"a@1"}},
		{"whiteout of a file", []layerTar{{pkg(a, "1"), pkg(b, "1")}, {gone(a + "/.wh.package.json")}}, []string{"b@1"}},
		{"whiteout of a directory", []layerTar{{pkg(a, "1"), pkg(b, "1")}, {gone("app/node_modules/.wh.a")}}, []string{"b@1"}},
		{"whiteout of everything", []layerTar{{pkg(a, "1")}, {gone(".wh.app")}}, nil},
		{"whiteout and back", []layerTar{{pkg(a, "1")}, {gone(".wh.app")}, {pkg(a, "3")}}, []string{"a@3"}},
		{"own whiteout before the file", []layerTar{{pkg(a, "1")}, {gone("app/node_modules/.wh.a"), pkg(a, "2")}}, []string{"a@2"}},
		{"own whiteout behind the file", []layerTar{{pkg(a, "1"), pkg(b, "1")}, {pkg(a, "2"), gone("app/.wh.node_modules")}}, []string{"a@2"}},
		{"whiteout in the lowest layer", []layerTar{{gone("app/node_modules/.wh.a"), pkg(a, "1")}}, []string{"a@1"}},
		{"opaque", []layerTar{{pkg(a, "1"), pkg(b, "1")}, {folder("app/node_modules"), gone("app/node_modules/.wh..wh..opq"), pkg(b, "2")}}, []string{"b@2"}},
		{"opaque behind its files", []layerTar{{pkg(a, "1")}, {pkg(b, "2"), gone("app/node_modules/.wh..wh..opq")}}, []string{"b@2"}},
		{"opaque root", []layerTar{{pkg(a, "1")}, {gone(".wh..wh..opq"), pkg(b, "2")}}, []string{"b@2"}},
		{"whiteout of the root is nothing", []layerTar{{pkg(a, "1")}, {gone(".wh."), gone(".wh.."), gone(".wh...")}}, []string{"a@1"}},
		{"bookkeeping of AUFS is nothing", []layerTar{{pkg(a, "1")}, {folder(".wh..wh.plnk"), file(".wh..wh.plnk/1.2", ""), file(".wh..wh.aufs", "")}}, []string{"a@1"}},
		{"file takes the place of a directory", []layerTar{{pkg(a, "1"), pkg(b, "1")}, {file(a, "x")}}, []string{"b@1"}},
		{"directory takes the place of a file", []layerTar{{file(a, "x")}, {folder(a), pkg(a, "2")}}, []string{"a@2"}},
		{"directory keeps what is in it", []layerTar{{pkg(a, "1")}, {folder("app"), folder("app/node_modules"), folder(a)}}, []string{"a@1"}},
		{"package.json turns into a directory", []layerTar{{pkg(a, "1")}, {folder(a + "/package.json")}}, nil},
		{"link takes the place of a directory", []layerTar{{pkg(a, "1"), pkg(b, "1")}, {symlink("app", "elsewhere")}}, nil},
		{"whiteout of a link leaves the target", []layerTar{{pkg("usr/lib/node_modules/a", "1"), symlink("lib", "usr/lib")}, {gone(".wh.lib")}}, []string{"a@1"}},
		{"through a link of the layer below", []layerTar{{symlink("lib", "usr/lib"), pkg("usr/lib/node_modules/a", "1")}, {pkg("lib/node_modules/a", "2")}}, []string{"a@2"}},
		{"through an absolute link", []layerTar{{symlink("lib", "/usr/lib"), pkg("usr/lib/node_modules/a", "1")}, {pkg("lib/node_modules/a", "2")}}, []string{"a@2"}},
		{"through a link that climbs", []layerTar{{symlink("x/y/lib", "../../../../usr/lib"), pkg("usr/lib/node_modules/a", "1")}, {pkg("x/y/lib/node_modules/a", "2")}}, []string{"a@2"}},
		{"through two links", []layerTar{{symlink("l1", "l2/l"), symlink("l2", "usr"), symlink("usr/l", "lib"), pkg("usr/lib/node_modules/a", "1")}, {pkg("l1/node_modules/a", "2")}}, []string{"a@2"}},
		{"whiteout through a link", []layerTar{{symlink("lib", "usr/lib"), pkg("usr/lib/node_modules/a", "1")}, {gone("lib/node_modules/.wh.a")}}, nil},
		{"opaque through a link", []layerTar{{symlink("lib", "usr/lib"), pkg("usr/lib/node_modules/a", "1")}, {gone("lib/.wh..wh..opq")}}, nil},
		{"directory takes the place of a link", []layerTar{{symlink("lib", "usr/lib"), pkg("usr/lib/node_modules/a", "1")}, {folder("lib"), pkg("lib/node_modules/a", "2")}}, []string{"a@1", "a@2"}},
		{"links in a circle", []layerTar{{symlink("x", "y"), symlink("y", "x")}, {pkg("x/node_modules/a", "1")}}, []string{"a@1"}},
		{"link to itself", []layerTar{{symlink("app", "app")}, {pkg(a, "1")}}, []string{"a@1"}},
		{"hard link of the same name", []layerTar{{pkg(a, "1"), hard(b+"/package.json", a+"/package.json")}, {gone("app/node_modules/.wh.a")}}, []string{"a@1"}},
		{"hard link to a lower layer", []layerTar{{pkg(a, "1")}, {hard(b+"/package.json", "./"+a+"/package.json"), gone("app/node_modules/.wh.a")}}, []string{"a@1"}},
		{"hard link to a file of another name", []layerTar{{file("store/00/ab", `{"name":"a","version":"7"}`), hard(a+"/package.json", "store/00/ab")}}, []string{"a@7"}},
		{"two hard links to a file of another name", []layerTar{{file("store/00/ab", `{"name":"a","version":"7"}`), hard(a+"/package.json", "store/00/ab"), hard("x/"+a+"/package.json", "store/00/ab")}}, []string{"a@7"}},
		{"hard link takes the place of a file", []layerTar{{pkg(a, "1"), file("plain", "x")}, {hard(a, "plain")}}, nil},
		{"long names", []layerTar{{pkg(strings.Repeat("d123456789/", 60)+"node_modules/a", "1")}}, []string{"a@1"}},
		{"empty layers", []layerTar{{}, {pkg(a, "1")}, {}, {}}, []string{"a@1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := names(scanOf(t, tt.layers...), "npm")
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("visible packages (-want +got):\n%s", d)
			}
		})
	}
}

// TestMergeAgainstModel lays random layers over each other and compares with a
// model that holds the whole file system and follows the rules one by one.
func TestMergeAgainstModel(t *testing.T) {
	for seed := range 300 {
		rnd := newRandom(uint64(seed))
		var layers []layerTar
		model := make(map[string]string) // files by path
		for range 1 + rnd.IntN(5) {
			layer := randomLayer(rnd)
			layers = append(layers, layer)
			modelLayer(model, layer)
		}
		var want []string
		for p, version := range model {
			if version != "" {
				dir := strings.TrimSuffix(p, "/package.json")
				want = append(want, dir[strings.LastIndexByte(dir, '/')+1:]+"@"+version)
			}
		}
		slices.Sort(want)
		want = slices.Compact(want)
		got := names(scanOf(t, layers...), "npm")
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("seed %d: %v\n(-want +got):\n%s", seed, layers, d)
		}
	}
}

func TestUnresolvedHardLinkIsUnknown(t *testing.T) {
	inv := scanOf(t, layerTar{hard("app/node_modules/a/package.json", "nowhere")})
	if len(inv.Unknowns) != 1 || inv.Unknowns[0].Path != "app/node_modules/a/package.json" {
		t.Errorf("unknowns: %v", inv.Unknowns)
	}
}

func TestAttribution(t *testing.T) {
	status := func(packages ...string) entry {
		var b strings.Builder
		for _, p := range packages {
			name, version, _ := strings.Cut(p, "=")
			fmt.Fprintf(&b, "Package: %s\nStatus: install ok installed\nVersion: %s\nArchitecture: amd64\n\n", name, version)
		}
		return file("var/lib/dpkg/status", b.String())
	}
	base := layerTar{file("etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n"), status("a=1", "b=1", "c=1")}
	layers := []layerTar{base, {status("a=1", "b=2")}, {file("x", "")}, {status("a=1", "b=2", "c=1", "d=1")}}
	inv := scanOf(t, layers...)
	want := map[string]int{"a@1": 0, "b@2": 1, "c@1": 3, "d@1": 3}
	for _, c := range inv.Components {
		if c.Type == sbom.OS {
			continue
		}
		number, ok := want[c.Name+"@"+c.Version]
		if !ok {
			t.Errorf("unexpected %s@%s", c.Name, c.Version)
			continue
		}
		delete(want, c.Name+"@"+c.Version)
		if diffID := diffIDOf(t, layers[number]); len(c.Locations) != 1 || c.Locations[0].Layer != diffID {
			t.Errorf("%s@%s is attributed to %v, want layer %d", c.Name, c.Version, c.Locations, number)
		}
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}
}
