package storetest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/hallmark-oci/hallmark/attach"
)

// Forged adds n entries that somebody made up to what hangs from the image with
// the digest: tags like those of hallmark's journal, and referrers that are said to
// be of the artifact type, or Sigstore bundles where that is "", all before what is
// there or all behind it. What they lead to is there and is no such thing.
func Forged(n int, digest, artifactType string, before bool) Quirk {
	artifactType = cmp.Or(artifactType, "application/vnd.dev.sigstore.bundle.v0.3+json")
	where := "behind"
	if before {
		where = "before"
	}
	prefix := strings.Replace(digest, ":", "-", 1) + "."
	tags := make([]string, n)
	referrers := make([]any, n)
	content := make(map[string][]byte, n)
	for i := range n {
		raw := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","forged":%d}`, i)
		d := attach.DigestOf(raw).String()
		content[d] = raw
		referrers[i] = map[string]any{
			"mediaType": "application/vnd.oci.image.manifest.v1+json", "size": len(raw), "digest": d,
			"artifactType": artifactType,
		}
		digit := "f"
		if before {
			digit = "0"
		}
		tags[i] = prefix + "1" + strings.Repeat(digit, 23) + fmt.Sprintf("%08x.hm", i)
		content[tags[i]] = raw
	}
	join := func(real, made []any) []any {
		if before {
			return append(slices.Clone(made), real...)
		}
		return append(real, made...)
	}
	return quirk(fmt.Sprintf("%d forged entries %s", n, where), func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		p := route(r)
		raw, made := content[p.ref]
		switch {
		case p.part == "manifests" && made && r.Method == http.MethodGet:
			w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
			w.Write(raw)
		case p.part == "referrers" && p.ref == digest:
			amend(w, record(next, r), "manifests", func(real []any) []any { return join(real, referrers) })
		case p.part == "tags":
			rec := record(next, setQuery(setQuery(r, "n", ""), "last", ""))
			last := r.URL.Query().Get("last")
			amend(w, rec, "tags", func(real []any) []any {
				all := slices.Clone(tags)
				for _, t := range real {
					all = append(all, t.(string))
				}
				slices.Sort(all)
				at, found := slices.BinarySearch(all, last)
				if found {
					at++
				}
				var page []any
				for _, t := range all[at:] {
					page = append(page, t)
				}
				return page
			})
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// amend sends a recorded answer with the list in it changed.
func amend(w http.ResponseWriter, rec interface {
	Result() *http.Response
}, member string, change func([]any) []any) {
	resp := rec.Result()
	defer resp.Body.Close()
	var doc map[string]any
	if resp.StatusCode != http.StatusOK || json.NewDecoder(resp.Body).Decode(&doc) != nil {
		w.WriteHeader(resp.StatusCode)
		return
	}
	list, _ := doc[member].([]any)
	doc[member] = change(list)
	w.Header().Set("Content-Type", resp.Header.Get("Content-Type"))
	json.NewEncoder(w).Encode(doc)
}

// Flood answers with JSON that never ends.
func Flood() Quirk {
	return quirk("answers without end", func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", "application/vnd.oci.image.index.v1+json")
		chunk := []byte(strings.Repeat(`{"a":[1,2,3,4,5,6,7]},`, 1500))
		w.Write([]byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","tags":[`))
		for r.Context().Err() == nil {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
}

// DigestLie says of every manifest that it has another digest than it has.
func DigestLie() Quirk {
	return quirk("wrong Docker-Content-Digest", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		rec := record(next, r)
		if route(r).part == "manifests" {
			rec.Header().Set("Docker-Content-Digest", "sha256:"+strings.Repeat("0", 64))
		}
		replay(w, rec, rec.Body.Len())
		if r.Method != http.MethodHead {
			w.Write(rec.Body.Bytes())
		}
	})
}
