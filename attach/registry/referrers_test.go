package registry

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/journal"
	"github.com/hallmark-oci/hallmark/attach/storetest"
)

// referrersAnswer has the registry answer requests for referrers as h does.
func referrersAnswer(h http.HandlerFunc) storetest.Quirk {
	return storetest.Only("^GET /v2/.*/referrers/", storetest.Answer("referrers answered by hand", h))
}

func answers() map[string]http.HandlerFunc {
	to := func(status int, location string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if location != "" {
				w.Header().Set("Location", strings.ReplaceAll(location, "SELF", r.URL.Path))
			}
			w.WriteHeader(status)
		}
	}
	typed := func(mediaType, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", mediaType)
			io.WriteString(w, body)
		}
	}
	all := map[string]http.HandlerFunc{
		"301 to itself":          to(301, "SELF"),
		"302 elsewhere":          to(302, "http://198.51.100.1/"),
		"303 elsewhere":          to(303, "http://198.51.100.1/"),
		"303 without Location":   to(303, ""),
		"307 with a bad one":     to(307, "http://[::1/"),
		"308 to a file":          to(308, "file:///etc/passwd"),
		"200 with a page":        typed("text/html", "<html>"),
		"200 with other JSON":    typed("application/json", "{}"),
		"200 with no type":       typed("", ""),
		"200 with a cut list":    typed("application/vnd.oci.image.index.v1+json", `{"manifests":[`),
		"200 with no list":       typed("application/vnd.oci.image.index.v1+json", `{"manifests":7}`),
		"connection that is cut": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	}
	for _, status := range []int{204, 300, 304, 400, 401, 402, 403, 404, 405, 406, 410, 418, 429, 451, 500, 501, 502, 503, 504, 505} {
		all[fmt.Sprint(status)] = to(status, "")
	}
	return all
}

// TestReferrersAnswers has registries answer requests for referrers in every
// way. No odd answer keeps a writer from writing, and none is taken for a no by
// a reader: whoever looks for a signature there could not tell.
func TestReferrersAnswers(t *testing.T) {
	none := map[string]bool{"400": true, "404": true, "405": true, "501": true, "303 elsewhere": true}
	open401 := map[string]bool{"401": true, "429": true, "500": true, "502": true, "503": true, "504": true, "connection that is cut": true}
	bad := map[string]bool{"200 with a cut list": true, "200 with no list": true}
	for name, h := range answers() {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			push(t, s, "v1", newImage(t))
			s.Set(referrersAnswer(h))
			store := open(t, s, Options{})
			subject := resolve(t, store, "v1")
			content := storetest.NewSignature(subject, "k")
			fails := open401[name] || bad[name]
			receipts, err := store.Put(t.Context(), attach.Parcel{Subject: subject, Content: content})
			if (err != nil) != fails || err == nil && !receipts[0].Viewed {
				t.Errorf("Put: %+v, %v", receipts, err)
			}
			for who, reader := range map[string]*Store{"writer": store, "reader": open(t, s, Options{})} {
				all, errs := attach.Collect(t.Context(), reader, subject)
				if (len(all) == 1) == fails {
					t.Errorf("%s lists %d entries", who, len(all))
				}
				switch {
				case none[name]:
					if len(errs) != 0 {
						t.Errorf("%s: %v", who, errs)
					}
				case len(errs) != 1 || attach.Judged(errs[0]) != bad[name] || errors.Is(errs[0], attach.ErrNotFound):
					t.Errorf("%s: %v, want one error that leaves the question open", who, errs)
				case errors.Is(errs[0], journal.ErrOddReferrers) == fails:
					t.Errorf("%s: %v", who, errs[0])
				}
			}
		})
	}
}

// TestSpoiledReferrers lists referrers some of which are malformed: from the
// API, and from the tag that stands for it.
func TestSpoiledReferrers(t *testing.T) {
	list := func(subject attach.Subject) string {
		good := func(n int) string {
			return fmt.Sprintf(`{"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"a/b","size":7,"digest":"sha256:%064d"}`, n)
		}
		return `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[` + strings.Join([]string{
			good(1), `{}`, `7`, good(2), `{"mediaType":"x","size":-1,"digest":"` + subject.Desc.Digest.String() + `"}`,
			`{"size":1,"digest":"sha512:00"}`, good(3), `null`,
		}, ",") + `]}`
	}
	for _, native := range []bool{true, false} {
		s := start(t)
		push(t, s, "v1", newImage(t))
		plain := open(t, s, Options{})
		subject := resolve(t, plain, "v1")
		body := list(subject)
		s.Set(storetest.Only(fmt.Sprintf("^GET /v2/.*/(referrers|manifests/sha256-%s$)", subject.Desc.Digest.Hex),
			storetest.Answer("a list of referrers", func(w http.ResponseWriter, r *http.Request) {
				if strings.Contains(r.URL.Path, "/referrers/") && !native {
					w.WriteHeader(404)
					return
				}
				w.Header().Set("Content-Type", "application/vnd.oci.image.index.v1+json")
				io.WriteString(w, body)
			})))
		store := open(t, s, Options{})
		if _, err := store.Put(t.Context(), attach.Parcel{Subject: subject, Content: storetest.NewSignature(subject, "k")}); err != nil {
			t.Errorf("native %v: Put: %v", native, err)
		}
		all, errs := attach.Collect(t.Context(), open(t, s, Options{}), subject, attach.Artifact)
		if len(all) != 3 || len(errs) != 5 {
			t.Errorf("native %v: %d entries, %d errors: %v", native, len(all), len(errs), errs)
		}
		for _, err := range errs {
			if !attach.Judged(err) {
				t.Errorf("native %v: not a judgement: %v", native, err)
			}
		}
	}
}

// TestFlood has somebody plant more referrers than are looked at. A reader gets
// those that were read and an error that leaves the question open, and a writer
// still writes: whoever can push makes neither a no nor a loss.
func TestFlood(t *testing.T) {
	var flood strings.Builder
	flood.WriteString(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[`)
	for n := range attach.MaxReferrers + 1 {
		if n > 0 {
			flood.WriteByte(',')
		}
		fmt.Fprintf(&flood, `{"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"a/b","size":7,"digest":"sha256:%064d"}`, n)
	}
	flood.WriteString("]}")
	for name, body := range map[string]string{
		"too many":  flood.String(),
		"too large": `{"manifests":[]` + strings.Repeat(" ", attach.MaxManifest) + "}",
	} {
		s := start(t)
		push(t, s, "v1", newImage(t))
		s.Set(storetest.Only("^GET /v2/.*/referrers/", storetest.Answer(name, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/vnd.oci.image.index.v1+json")
			io.WriteString(w, body)
		})))
		store := open(t, s, Options{})
		subject := resolve(t, store, "v1")
		receipts, err := store.Put(t.Context(), attach.Parcel{Subject: subject, Content: storetest.NewSignature(subject, "k")})
		if err != nil || !receipts[0].Viewed {
			t.Errorf("%s: Put: %+v, %v", name, receipts, err)
		}
		all, errs := attach.Collect(t.Context(), open(t, s, Options{}), subject, attach.Signature)
		if len(all) != 1 || len(errs) == 0 {
			t.Errorf("%s: %d signatures, errors %v", name, len(all), errs)
		}
		for _, err := range errs {
			if attach.Judged(err) || !errors.Is(err, attach.ErrUnfinished) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// TestOddTags lists tags among which are things that are none.
func TestOddTags(t *testing.T) {
	long := strings.Repeat("x", 129)
	for body, want := range map[string]string{
		`{"tags":["sha256-b.x",7,null,{"a":["b"]},"","../../x","a b","\u0000","` + long + `","sha256-b.y"]}`: "[sha256-b.x sha256-b.y]",
		`{"tags":null}`:                 "[]",
		`{}`:                            "[]",
		`{"tags":[[[["sha256-b.x"]]]]}`: "[]",
	} {
		s := storeOn(t, serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, body) }), Options{})
		tags, err := medium{s.subjects}.Tags(t.Context(), "sha256-b.")
		if err != nil || fmt.Sprint(tags) != want {
			t.Errorf("%s: %v, %v", body, tags, err)
		}
	}
	for _, body := range []string{`{"tags":{}}`, `{"tags":"a"}`, `{"tags":[1,2]}`, `{"tags":["a",`} {
		s := storeOn(t, serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, body) }), Options{PageSize: 2})
		if tags, err := (medium{s.subjects}).Tags(t.Context(), "sha256-b."); !errors.Is(err, attach.ErrMalformed) {
			t.Errorf("%s: %v, %v", body, tags, err)
		}
	}
}

// TestBlobErrors sees that a blob that could not be read is named with its
// repository, and that the error stays what it is.
func TestBlobErrors(t *testing.T) {
	content := []byte(strings.Repeat("content", 100))
	d := attach.Bytes(content)
	for name, tt := range map[string]struct {
		h    http.HandlerFunc
		want error
	}{
		"cut": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(content)))
			w.Write(content[:10])
		}, io.ErrUnexpectedEOF},
		"short":     {func(w http.ResponseWriter, _ *http.Request) { w.Write(content[:10]) }, attach.ErrDigest},
		"chunked":   {func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush(); w.Write(content[:10]) }, attach.ErrDigest},
		"other":     {func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(strings.Repeat("CONTENT", 100))) }, attach.ErrDigest},
		"not there": {http.NotFound, attach.ErrNotFound},
		"denied":    {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) }, attach.ErrDenied},
	} {
		t.Run(name, func(t *testing.T) {
			host := serve(t, tt.h)
			s := storeOn(t, host, Options{})
			desc := aSubject().Desc
			desc.Digest, desc.Size = d.Digest, d.Size
			for _, read := range []func() (io.ReadCloser, error){
				func() (io.ReadCloser, error) { return s.Blob(t.Context(), aSubject(), desc) },
				func() (io.ReadCloser, error) { return s.Open(t.Context(), aSubject(), attach.Attachment{Desc: desc}) },
			} {
				rc, err := read()
				if err == nil {
					_, err = attach.ReadAll(rc, desc, 1<<20)
				}
				if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), host+"/team/app@"+d.Digest.String()) {
					t.Errorf("%v, want %v with the repository and the digest", err, tt.want)
				}
			}
		})
	}
}
