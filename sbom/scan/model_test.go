package scan_test

import (
	"archive/tar"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/hallmark-oci/hallmark/attach"
)

func newRandom(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

func diffIDOf(t testing.TB, l layerTar) string {
	t.Helper()
	return attach.DigestOf(l.bytes(t)).String()
}

// randomLayer returns a layer of files, directories and whiteouts over few
// names, so that they meet often.
func randomLayer(rnd *rand.Rand) layerTar {
	dirs := []string{"r", "s", "r/q", "s/q"}
	var l layerTar
	for range 1 + rnd.IntN(8) {
		dir := dirs[rnd.IntN(len(dirs))]
		at := dir + "/node_modules/" + string(rune('a'+rnd.IntN(3)))
		switch rnd.IntN(9) {
		case 0:
			l = append(l, folder(at))
		case 1:
			l = append(l, file(at, "a file"))
		case 2:
			l = append(l, file(dir, "a file"))
		case 3:
			l = append(l, gone(path.Dir(at)+"/.wh."+path.Base(at)))
		case 4:
			l = append(l, gone(path.Join(path.Dir(dir), ".wh."+path.Base(dir))))
		case 5:
			l = append(l, gone(dir+"/.wh..wh..opq"))
		default:
			l = append(l, pkg(at, fmt.Sprint(rnd.IntN(100))))
		}
	}
	return l
}

// modelLayer applies a layer to the files of a model: first all whiteouts, for
// they concern the layers below, then everything else in its order.
func modelLayer(model map[string]string, l layerTar) {
	under := func(root string, itself bool) {
		for p := range model {
			if itself && p == root || strings.HasPrefix(p, root+"/") {
				delete(model, p)
			}
		}
	}
	for _, e := range l {
		dir, base := path.Split(e.name)
		switch {
		case base == ".wh..wh..opq":
			under(strings.TrimSuffix(dir, "/"), false)
		case strings.HasPrefix(base, ".wh."):
			under(dir+strings.TrimPrefix(base, ".wh."), true)
		}
	}
	for _, e := range l {
		if strings.HasPrefix(path.Base(e.name), ".wh.") {
			continue
		}
		// Whatever is on the way must be a directory.
		parts := strings.Split(e.name, "/")
		for i := range parts[1:] {
			delete(model, strings.Join(parts[:i+1], "/"))
		}
		if e.kind == tar.TypeDir {
			delete(model, e.name)
			continue
		}
		under(e.name, true)
		version := ""
		if i := strings.Index(e.body, `"version":"`); i >= 0 {
			version, _, _ = strings.Cut(e.body[i+len(`"version":"`):], `"`)
		}
		model[e.name] = version
	}
}

// shuffled returns the numbers below n in random order.
func shuffled(rnd *rand.Rand, n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	rnd.Shuffle(n, func(i, j int) { list[i], list[j] = list[j], list[i] })
	return slices.Clip(list)
}
