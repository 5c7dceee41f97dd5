package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hallmark-oci/hallmark/attach/storetest"
	"github.com/hallmark-oci/hallmark/cmd/hallmark/internal/report"
)

// TestNames reads files of names, good and bad ones.
func TestNames(t *testing.T) {
	b := newBench(t)
	for text, want := range map[string]string{
		"a:1\nb:1\n":                       "a:1 b:1",
		"  a:1  # the first\r\n\n#b\n":     "a:1",
		"oci:dir:1":                        "oci:dir:1",
		"":                                 "!names no image",
		"# nothing\n":                      "!names no image",
		"a:1\nNot An Image\n":              "!line 2",
		"https://u:secret@h/a\n":           "!line 1",
		strings.Repeat("x", maxName+1):     "!more than 2048 characters",
		strings.Repeat("a\n", maxImages+1): "!more than 100000 images",
		"a:1\n" + strings.Repeat("\n", 10) + "a b": "!line 12",
	} {
		for _, from := range []string{"-", "list"} {
			b.In = strings.NewReader(text)
			if err := os.WriteFile("list", []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			g := images{target: &target{app: b.App, parallel: 1, manifest: 1 << 20}, from: from}
			list, err := g.names(t.Context(), nil)
			if bad, ok := strings.CutPrefix(want, "!"); ok {
				if err == nil || !strings.Contains(err.Error(), bad) || strings.Contains(err.Error(), "secret") {
					t.Errorf("%.40q: %d names, %v", text, len(list), err)
				}
				continue
			}
			var names []string
			for _, n := range list {
				names = append(names, n.name)
			}
			if got := strings.Join(names, " "); err != nil || got != want {
				t.Errorf("%.40q: %q, %v", text, got, err)
			}
		}
	}
	g := images{target: &target{app: b.App}, from: "missing"}
	if _, err := g.names(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("no file: %v", err)
	}
}

// TestBatchStreams: each verdict is printed when it is its turn, not when all are
// there, and in the order of the command line.
func TestBatchStreams(t *testing.T) {
	b, s := onRegistry(t)
	var line []string
	for i := range 30 {
		line = append(line, pushed(t, s, "team/app", fmt.Sprint("v", i)))
	}
	last := line[len(line)-1]
	hold := make(chan struct{})
	printed := new(watched)
	b.Out = printed
	printed.on = func(text string) {
		if strings.Contains(text, line[0]) { // the first is out while the last is held
			close(hold)
		}
	}
	_, digest, _ := strings.Cut(last, "@")
	s.Set(storetest.Only(digest, storetest.Watch("held", func(handle func()) {
		select {
		case <-hold:
		case <-time.After(20 * time.Second):
			t.Error("nothing was printed before the last image was known")
		}
		handle()
	})))
	b.must(t, exitNo, "verify --key hallmark.pub "+strings.Join(line, " "))
	at := -1
	for _, name := range line {
		next := strings.Index(printed.text.String(), name)
		if next <= at {
			t.Errorf("%s stands at %d, the one before at %d", name, next, at)
		}
		at = next
	}
	if !strings.Contains(printed.text.String(), "30 images: 0 accepted, 30 rejected, 0 undetermined") {
		t.Errorf("no sum in %s", printed.text.String())
	}
}

// watched is a place to print to that calls on with each piece.
type watched struct {
	text strings.Builder
	on   func(string)
}

// Write implements io.Writer.
func (w *watched) Write(p []byte) (int, error) {
	if w.on != nil {
		w.on(string(p))
	}
	return w.text.Write(p)
}

// TestBatchAliases: two names of one image, signed at once, get one signature.
func TestBatchAliases(t *testing.T) {
	b, s := onRegistry(t, storetest.Delay(2*time.Millisecond))
	img := pushed(t, s, "team/app", "v1")
	repo, _, _ := strings.Cut(img, "@")
	b.must(t, exitYes, fmt.Sprintf("sign --key hallmark.key -f json %s:v1 %s %s:v1 %s", repo, img, repo, img))
	var doc report.Receipts
	if err := json.Unmarshal(b.out.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	fresh := 0
	for _, a := range doc.Images {
		for _, e := range a.Entries {
			if e.Existed != nil && !*e.Existed {
				fresh++
			}
		}
	}
	if len(doc.Images) != 4 || fresh != 1 {
		t.Errorf("%d receipts, %d signatures were added: %s", len(doc.Images), fresh, b.out)
	}
}

// TestBatchTime: when the time is up, what is left is not begun, what was found
// stands, and the answer is that nobody could tell.
func TestBatchTime(t *testing.T) {
	for _, c := range []struct {
		line string
		code int
	}{
		{"verify --key hallmark.pub", exitNo}, // what was rejected stays so
		{"sign --key hallmark.key", exitUndetermined},
		{"list", exitUndetermined},
	} {
		b, s := onRegistry(t)
		var names []string
		for i := range 200 {
			names = append(names, pushed(t, s, "team/app", fmt.Sprint("v", i%3)))
		}
		s.Set(storetest.Delay(20 * time.Millisecond))
		b.must(t, c.code, c.line+" -f json --parallel 1 --timeout 500ms "+strings.Join(names, " "))
		var doc struct {
			Images  []json.RawMessage
			Left    int
			Summary struct{ Left int }
		}
		if err := json.Unmarshal(b.out.Bytes(), &doc); err != nil {
			t.Fatalf("%s: %v\n%s", c.line, err, b.out)
		}
		if n := len(doc.Images) + doc.Left + doc.Summary.Left; n != 200 || len(doc.Images) == 200 {
			t.Errorf("%s: %d answers, %d and %d left", c.line, len(doc.Images), doc.Left, doc.Summary.Left)
		}
	}
}

// TestRepositoryRequests counts what an audit of a repository costs: two requests
// for each signed image, the journals of all others are found in one list.
func TestRepositoryRequests(t *testing.T) {
	const signed, bare = 20, 11
	for title, quirks := range map[string][]storetest.Quirk{
		"plain":     nil,
		"referrers": {storetest.NativeReferrers()},
		"links":     {storetest.PageSize(7), storetest.Links()},
		"old lists": {storetest.IgnoreN(), storetest.IgnoreLast()},
		"zot lists": {storetest.LastMustExist()},
	} {
		t.Run(title, func(t *testing.T) {
			b, s := onRegistry(t, quirks...)
			for i := range signed {
				b.must(t, exitYes, "sign --key hallmark.key "+pushed(t, s, "team/app", fmt.Sprintf("v%02d", i)))
			}
			audit := func() report.Verdicts {
				t.Helper()
				s.Forget()
				b.run(t.Context(), "verify -f json --key hallmark.pub --repository "+s.Host+"/team/app")
				var doc report.Verdicts
				if err := json.Unmarshal(b.out.Bytes(), &doc); err != nil {
					t.Fatalf("%v\n%s%s", err, b.out, b.err)
				}
				return doc
			}
			doc := audit()
			if doc.Summary != (report.Summary{Images: signed, Accepted: signed}) || doc.Outcome != "accept" {
				t.Errorf("%+v", doc.Summary)
			}
			if n := s.Count("/manifests/|/referrers/|/blobs/"); n != 2*signed {
				t.Errorf("%d requests for %d signed images", n, signed)
			}
			for i := range bare {
				pushed(t, s, "team/app", fmt.Sprintf("w%02d", i))
			}
			doc = audit()
			if doc.Summary != (report.Summary{Images: signed + bare, Accepted: signed, Rejected: bare}) || doc.Outcome != "reject" {
				t.Errorf("%+v", doc.Summary)
			}
			// The image, the view, the referrers, the tag in place of those.
			if n := s.Count("/manifests/|/referrers/|/blobs/"); n != 2*signed+4*bare {
				t.Errorf("%d requests for %d signed and %d other images", n, signed, bare)
			}
			lists := s.Count("tags/list")
			if pages := (3*signed + bare + 6) / 7; lists > 2+2*pages || title != "links" && lists > 3 {
				t.Errorf("%d requests for lists of tags", lists)
			}
			if n := s.Count("^GET /v2/$"); n != 0 {
				t.Errorf("%d pings", n)
			}
		})
	}
}

// TestRepositoryBogusTag: what a registry lists and does not have is left out and
// said aloud; what is there and cannot be read is not.
func TestRepositoryBogusTag(t *testing.T) {
	b, s := onRegistry(t)
	b.must(t, exitYes, "sign --key hallmark.key "+pushed(t, s, "team/app", "v1"))
	s.Set(storetest.Only("/tags/list", storetest.Answer("a tag that is none", bogusTags)))
	b.must(t, exitYes, "verify --key hallmark.pub --repository "+s.Host+"/team/app")
	if !strings.Contains(b.err.String(), "_uploads is left out") || !strings.Contains(b.out.String(), "v1: accept") {
		t.Errorf("%s%s", b.out, b.err)
	}
	s.Set(storetest.Only("/tags/list", storetest.Answer("a tag that is none", bogusTags)), storetest.Only("_uploads", storetest.Status(500, "UNKNOWN")))
	b.must(t, exitUndetermined, "verify --key hallmark.pub --repository "+s.Host+"/team/app")
	s.Set(storetest.Only("/tags/list", storetest.Status(403, "DENIED")))
	b.must(t, exitUndetermined, "verify --key hallmark.pub --repository "+s.Host+"/team/app")
	s.Set()
	b.must(t, exitUndetermined, "verify --key hallmark.pub --repository "+s.Host+"/team/nothing")
	b.must(t, exitUsage, "verify --key hallmark.pub --repository "+s.Host+"/team/app:v1")
}

// TestBatchInterrupted: an interrupt leaves a whole document and the exit code for
// it, or for what was known by then.
func TestBatchInterrupted(t *testing.T) {
	b, s := onRegistry(t)
	img := pushed(t, s, "team/app", "v1")
	ctx, cancel := context.WithCancelCause(t.Context())
	var n atomic.Int32
	s.Set(storetest.Watch("interrupt", func(handle func()) {
		if n.Add(1) == 20 {
			cancel(Interrupted())
		}
		handle()
	}))
	code := b.run(ctx, "verify -f json --key hallmark.pub "+strings.Repeat(img+" ", 100))
	if code != exitInterrupted && code != exitNo {
		t.Errorf("exit code %d", code)
	}
	if !json.Valid(b.out.Bytes()) {
		t.Errorf("no JSON document: %s", b.out)
	}
}

func bogusTags(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	io.WriteString(w, `{"name":"team/app","tags":["_uploads","v1"]}`)
}
