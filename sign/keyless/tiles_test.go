package keyless_test

import (
	"bytes"
	"crypto"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	rekornote "github.com/sigstore/rekor-tiles/v2/pkg/note"
	"github.com/sigstore/sigstore/pkg/signature"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/sign/keyless"
)

// A tiled log is what one of version 2 publishes: files by name (C2SP tlog-tiles).
type tiled map[string][]byte

// publish makes the files of a log with the entries, and its checkpoint over all.
func (w *world) publish(entries [][]byte) tiled {
	all := make(tiled)
	var hashes []tlog.Hash
	stored := tlog.HashReaderFunc(func(list []int64) ([]tlog.Hash, error) {
		var out []tlog.Hash
		for _, i := range list {
			out = append(out, hashes[i])
		}
		return out, nil
	})
	for i, e := range entries {
		hashes = append(hashes, must(tlog.StoredHashes(int64(i), e, stored))...)
	}
	size := int64(len(entries))
	for _, t := range tlog.NewTiles(8, 0, size) {
		all[strings.Replace(t.Path(), "tile/8/", "tile/", 1)] = must(tlog.ReadTileData(t, stored))
	}
	for n := int64(0); n*256 < size; n++ {
		t := tlog.Tile{H: 8, L: -1, N: n, W: int(min(256, size-n*256))}
		var bundle []byte
		for _, e := range entries[n*256 : n*256+int64(t.W)] {
			bundle = append(binary.BigEndian.AppendUint16(bundle, uint16(len(e))), e...)
		}
		all[strings.Replace(t.Path(), "tile/8/data/", "tile/entries/", 1)] = bundle
	}
	top := must(tlog.TreeHash(size, stored))
	signer := must(rekornote.NewNoteSigner(w.t.Context(), "rekor.localhost", must(signature.LoadECDSASignerVerifier(w.rekor2, crypto.SHA256))))
	text := fmt.Sprintf("rekor.localhost\n%d\n%s\n", size, base64.StdEncoding.EncodeToString(top[:]))
	all["checkpoint"] = must(note.Sign(&note.Note{Text: text}, signer))
	return all
}

// TestStandingTiles: Rekor 2 has the entry already, because the answer to the first
// request was lost, and gives its proof in tiles alone. What is in them is made by
// golang.org/x/mod/sumdb/tlog, and verified in the end by Sigstore's library.
func TestStandingTiles(t *testing.T) {
	for name, c := range map[string]struct {
		size, at int // of the log, and where the entry is
		header   string
		change   func(tiled)
		late     int // so many checkpoints are without it
		want     keyless.Reason
	}{
		"a log of one":             {size: 1},
		"the last of some":         {size: 28, at: 27},
		"in the first tile":        {size: 300, at: 5},
		"the first of the second":  {size: 300, at: 256},
		"the last that fits":       {size: 256, at: 255},
		"three levels":             {size: 256*256 + 3, at: 70},
		"the last of three levels": {size: 256*256 + 3, at: 256*256 + 2},
		"it is not published yet":  {size: 28, at: 27, late: 3},
		"it never is":              {size: 28, at: 27, late: 1000, want: keyless.Unreachable},
		"no index":                 {size: 1, header: "none", want: keyless.Denied},
		"an index that is none":    {size: 1, header: "-1", want: keyless.Denied},
		"beyond the end":           {size: 28, at: 27, header: "28", want: keyless.Unreachable},
		"the entry of another":     {size: 28, at: 27, header: "3", want: keyless.OtherEntry},
		"full meanwhile":           {size: 28, at: 27, change: func(f tiled) { full(f, "tile/0/000.p/28"); full(f, "tile/entries/000.p/28") }},
		"a tile is gone":           {size: 28, at: 27, change: func(f tiled) { delete(f, "tile/0/000.p/28") }, want: keyless.Denied},
		"the entries are gone":     {size: 28, at: 27, change: func(f tiled) { delete(f, "tile/entries/000.p/28") }, want: keyless.Denied},
		"half a tile":              {size: 28, at: 27, change: func(f tiled) { f["tile/0/000.p/28"] = f["tile/0/000.p/28"][:400] }, want: keyless.BadEntry},
		"another hash":             {size: 28, at: 27, change: func(f tiled) { f["tile/0/000.p/28"][40]++ }, want: keyless.BadEntry},
		"half of the entries":      {size: 28, at: 27, change: func(f tiled) { f["tile/entries/000.p/28"] = f["tile/entries/000.p/28"][:400] }, want: keyless.Malformed},
		"another entry":            {size: 28, at: 27, change: func(f tiled) { e := f["tile/entries/000.p/28"]; e[len(e)-2]++ }, want: keyless.BadEntry},
		"a checkpoint of nothing":  {size: 28, at: 27, change: func(f tiled) { f["checkpoint"] = []byte("rekor.localhost\n") }, want: keyless.Malformed},
		"one that is too large": {size: 28, at: 27, change: func(f tiled) {
			f["checkpoint"] = bytes.Replace(f["checkpoint"], []byte("\n28\n"), []byte("\n9999999999999999\n"), 1)
		}, want: keyless.Malformed},
		"one that nobody signed":   {size: 28, at: 27, change: func(f tiled) { f["checkpoint"], _, _ = bytes.Cut(f["checkpoint"], []byte("— ")) }, want: keyless.BadEntry},
		"one with a bad signature": {size: 28, at: 27, change: spoil, want: keyless.Unverifiable},
		"one of a tree of its own": {size: 28, at: 27, change: func(f tiled) { f["checkpoint"] = bytes.Replace(f["checkpoint"], []byte("\n28\n"), []byte("\n29\n"), 1) }, want: keyless.Denied},
		"one that no trusted signs": {size: 28, at: 27, change: func(f tiled) {
			f["checkpoint"] = []byte(strings.ReplaceAll(string(f["checkpoint"]), "— rekor.localhost ", "— rekor.localhost AAAA"))
		}, want: keyless.BadEntry},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			var files tiled
			record := func(rw http.ResponseWriter, r *http.Request) {
				answered := httptest.NewRecorder()
				w.mux.ServeHTTP(answered, r)
				var said struct {
					Body []byte `json:"canonicalizedBody"`
				}
				if err := json.Unmarshal(answered.Body.Bytes(), &said); err != nil {
					t.Error(err)
				}
				entries := make([][]byte, c.size)
				for i := range entries {
					entries[i] = fmt.Appendf(nil, `{"kind":"hashedrekord","apiVersion":"0.0.2","n":%d}`, i)
				}
				entries[c.at] = said.Body
				if files = w.publish(entries); c.change != nil {
					c.change(files)
				}
				panic(http.ErrAbortHandler)
			}
			header := c.header
			if header == "" {
				header = fmt.Sprint(c.at)
			}
			w.broken(rekor2Path, record, status(409, "X-Log-Index", header), status(409, "X-Log-Index", header))
			old := w.publish([][]byte{[]byte("{}")})["checkpoint"]
			asked := 0
			w.mux.HandleFunc("/api/v2/", func(rw http.ResponseWriter, r *http.Request) {
				file := strings.TrimPrefix(r.URL.Path, "/api/v2/")
				if file == "checkpoint" {
					if asked++; asked <= c.late {
						rw.Write(old)
						return
					}
				}
				raw, ok := files[path.Clean(file)]
				if !ok {
					http.NotFound(rw, r)
					return
				}
				rw.Write(raw)
			})
			parcels, err := attempt(w, 2, attach.InReferrers)
			if reasonOf(err) != c.want || (err == nil) != (len(parcels) == 1) {
				t.Fatalf("%d stored, %v, want %q", len(parcels), err, c.want)
			}
			if c.late > 1 && !slices.Contains(w.pauses, time.Second) {
				t.Errorf("it did not wait: %v", w.pauses)
			}
			if asked > 31 {
				t.Errorf("the checkpoint was asked for %d times", asked)
			}
		})
	}
}

// full has a tile that became full take the place of a part of it.
func full(f tiled, part string) {
	name, _, _ := strings.Cut(part, ".p/")
	f[name] = append(f[part], make([]byte, 100)...)
	delete(f, part)
}

// spoil turns a bit at the end of the signature of the checkpoint.
func spoil(f tiled) {
	text := strings.TrimSuffix(string(f["checkpoint"]), "\n")
	i := strings.LastIndex(text, " ") + 1
	raw := must(base64.StdEncoding.DecodeString(text[i:]))
	raw[len(raw)-1] ^= 1
	f["checkpoint"] = []byte(text[:i] + base64.StdEncoding.EncodeToString(raw) + "\n")
}
