package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
	"github.com/hallmark-oci/hallmark/attach/journal"
)

// An ordeal is a registry with a quirk that the registry store meets half-way
// through its life.
type ordeal struct {
	quirks []Quirk
	native bool // the registry serves referrers, before and after too
	// put and list are empty where the store works; else each error must have
	// one of the causes, or say the text.
	put, list trouble
	// unseen says that the entry is in the journal and not in the view, and
	// that the receipt says why.
	unseen bool
	// patience is how long the store bears silence; its own default when zero.
	patience time.Duration
	// contents makes what is put under the quirk; one signature when nil.
	contents func(s attach.Subject) []attach.Content
}

// trouble is how something fails: with the cause, and with the text in the error.
type trouble struct {
	cause error
	text  string
}

func (w trouble) matches(err error) bool {
	if w == (trouble{}) {
		return err == nil
	}
	return err != nil && (w.cause == nil || errors.Is(err, w.cause)) && strings.Contains(err.Error(), w.text)
}

func ordeals() []ordeal {
	const views = `^GET .*/manifests/sha256-[0-9a-f]{64}\.(sig|att|sbom)$`
	denied := trouble{attach.ErrDenied, ""}
	fails := func(text string) trouble { return trouble{nil, text} }
	var all []ordeal
	for _, status := range []int{400, 404, 405, 501} {
		all = append(all, ordeal{quirks: []Quirk{ReferrersStatus(status)}})
	}
	odd := trouble{journal.ErrOddReferrers, ""}
	for _, status := range []int{429, 500} { // maybe there, maybe not
		text := fmt.Sprint(status)
		all = append(all, ordeal{quirks: []Quirk{ReferrersStatus(status)}, put: fails(text), list: fails(text)})
	}
	for _, status := range []int{403, 409, 412, 400} {
		all = append(all, ordeal{quirks: []Quirk{Immutable(status)}, unseen: true})
		all = append(all, ordeal{quirks: []Quirk{Immutable(status)}, unseen: true, native: true})
	}
	for _, status := range []int{400, 413} {
		all = append(all, ordeal{quirks: []Quirk{ManifestLimit(status)}, contents: bulk})
	}
	all = append(all, tokenOrdeals()...)
	return append(all,
		ordeal{quirks: nil, native: true},
		ordeal{quirks: []Quirk{ReferrersStatus(403)}, list: odd},
		ordeal{quirks: []Quirk{ReferrersRedirect()}},
		ordeal{quirks: []Quirk{ReferrersType("application/json")}, list: odd},
		ordeal{quirks: []Quirk{ReferrersType("text/html")}, list: odd},
		ordeal{quirks: []Quirk{ReferrersEmpty()}},
		ordeal{quirks: []Quirk{SubjectLie()}},
		ordeal{quirks: []Quirk{FallbackIsSubject()}},
		ordeal{quirks: []Quirk{PageSize(1), Links()}},
		ordeal{quirks: []Quirk{IgnoreN()}},
		ordeal{quirks: []Quirk{IgnoreLast()}},
		ordeal{quirks: []Quirk{LastMustExist()}},
		ordeal{quirks: []Quirk{EndlessPages(true)}},
		ordeal{quirks: []Quirk{EndlessPages(false)}, list: trouble{attach.ErrUnfinished, "pages"}},
		ordeal{quirks: []Quirk{ImagesOnly()}, put: trouble{attach.ErrMalformed, "unknown media type"}},
		ordeal{quirks: []Quirk{Flap(3, 503)}},
		ordeal{quirks: []Quirk{Flap(4, 500)}, native: true},
		ordeal{quirks: []Quirk{Flap(1, 503)}, put: fails("503"), list: fails("503")},
		ordeal{quirks: []Quirk{TooMany(3, "1")}},
		ordeal{quirks: []Quirk{TooMany(3, "Fri, 31 Dec 1999 23:59:59 GMT")}},
		ordeal{quirks: []Quirk{TooMany(1, "")}, put: fails("429"), list: fails("429")},
		ordeal{quirks: []Quirk{StaleTags(1)}, list: trouble{attach.ErrNotFound, "journal entry"}},
		ordeal{quirks: []Quirk{TwoStepUploads()}},
		ordeal{quirks: []Quirk{Credentials("user", "secret"), RedirectBlobs(false)}},
		ordeal{quirks: []Quirk{Credentials("user", "secret"), RedirectBlobs(true)}, list: denied},
		ordeal{quirks: []Quirk{Credentials("user", "another")}, put: denied, list: denied},
		ordeal{quirks: []Quirk{Drip(512, time.Millisecond)}},
		ordeal{quirks: []Quirk{Only(views, Drip(1, 50*time.Millisecond))}, patience: 500 * time.Millisecond, put: fails("too slow"), list: fails("too slow")},
		ordeal{quirks: []Quirk{Only(views, Truncated())}, put: fails("EOF"), list: fails("EOF")},
		ordeal{quirks: []Quirk{Only(views, WrongBytes())}, put: trouble{attach.ErrDigest, ""}, list: trouble{attach.ErrDigest, ""}},
		ordeal{quirks: []Quirk{Only("GET .*/blobs/", Truncated())}, list: fails("EOF")},
		ordeal{quirks: []Quirk{Only("GET .*/blobs/", WrongBytes())}, list: trouble{attach.ErrDigest, ""}},
		ordeal{quirks: []Quirk{BlobsLate(2)}},
		ordeal{quirks: []Quirk{ResetAfterPut(1)}},
		ordeal{quirks: []Quirk{ResetAfterPut(2)}, native: true},
		ordeal{quirks: []Quirk{Only("^PUT .*/manifests/", Status(503, "UNAVAILABLE"))}, put: fails("503")},
		ordeal{quirks: []Quirk{Only("/tags/list", Status(403, "DENIED"))}, list: denied},
		ordeal{quirks: []Quirk{Delay(5 * time.Millisecond)}},
	)
}

// tokenOrdeals are registries with a token service.
func tokenOrdeals() []ordeal {
	denied := trouble{attach.ErrDenied, ""}
	return []ordeal{
		{quirks: []Quirk{(&Tokens{User: "user", Password: "secret"}).Quirk()}},
		{quirks: []Quirk{(&Tokens{User: "user", Password: "secret", Uses: 5}).Quirk()}, native: true},
		{quirks: []Quirk{(&Tokens{User: "user", Password: "secret"}).Quirk(), RedirectBlobs(true)}, list: denied},
		{quirks: []Quirk{(&Tokens{User: "user", Password: "another"}).Quirk()}, put: denied, list: denied},
		{quirks: []Quirk{(&Tokens{Realm: "http://auth.example.com/token"}).Quirk()}, put: denied, list: denied},
	}
}

// bulk makes more than one manifest holds: each entry has an annotation as
// large as certificate chains get.
func bulk(s attach.Subject) []attach.Content {
	list := make([]attach.Content, 40)
	for i := range list {
		list[i] = NewSignature(s, fmt.Sprintf("bulk %d", i))
		list[i].Annotations[cosign.ChainAnnotation] = strings.Repeat("c", 60<<10)
	}
	return list
}

// TestOrdeals takes the registry store through all quirks. Before, while and
// after the quirk is on, it puts and lists. It works or fails with the reason
// named; nothing that was there is gone, and afterwards all is well again.
func TestOrdeals(t *testing.T) {
	var table bytes.Buffer
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	for _, o := range ordeals() {
		names := make([]string, 0, len(o.quirks)+1)
		if o.native {
			names = append(names, NativeReferrers().Name)
		}
		for _, q := range o.quirks {
			names = append(names, q.Name)
		}
		title := strings.Join(names, ", ")
		t.Run(title, func(t *testing.T) {
			put, list := o.run(t)
			fmt.Fprintf(w, "%s\t%s\t%s\n", title, put, list)
		})
	}
	w.Flush()
	t.Logf("quirk, put, list:\n%s", &table)
}

func (o ordeal) run(t *testing.T) (put, list string) {
	var base []Quirk
	if o.native {
		base = append(base, NativeReferrers())
	}
	s := Start(base...)
	defer s.Close()
	seed(t, s)
	clean := openRegistry(t, s)
	sub, err := clean.Resolve(t.Context(), "v1")
	if err != nil {
		t.Fatal(err)
	}
	before := o.past(t, clean, sub)

	s.Set(append(append([]Quirk(nil), o.quirks...), base...)...)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	during := []attach.Content{NewSignature(sub, "during")}
	if o.contents != nil {
		during = o.contents(sub)
	}
	receipts, putErr := patient(t, s, o.patience).Put(ctx, parcels(sub, during)...)
	if !o.put.matches(putErr) {
		t.Errorf("Put: %v, want %+v", putErr, o.put)
	}
	seen, listErr := readAll(ctx, patient(t, s, o.patience), sub)
	if !o.list.matches(listErr) {
		t.Errorf("List and Open: %v, want %+v", listErr, o.list)
	}
	if ctx.Err() != nil {
		t.Error("it took longer than two minutes")
	}
	o.strangers(t, s)

	s.Set(base...)
	was := before
	if putErr == nil {
		was = append(was, during...)
		o.judge(t, receipts)
	}
	got := collect(t, openRegistry(t, s), sub)
	for _, c := range was {
		if _, ok := got[c.ID()]; !ok {
			t.Errorf("%s %s is gone", c.Kind, c.ID())
		}
		if listErr == nil && !seen[c.ID()] {
			t.Errorf("%s %s was not listed under the quirk", c.Kind, c.ID())
		}
	}
	after := NewSignature(sub, "after")
	if _, err := openRegistry(t, s).Put(t.Context(), parcels(sub, append(during, after))...); err != nil {
		t.Errorf("Put afterwards: %v", err)
	}
	if o.contents == nil {
		wanted(t, openRegistry(t, s), sub, append(was, append(during, after)...)...)
	}
	return told(putErr, receipts), told(listErr, nil)
}

// past puts what is there before the quirk is switched on.
func (o ordeal) past(t *testing.T, s attach.Store, sub attach.Subject) []attach.Content {
	t.Helper()
	large := cosign.NewSBOM(attach.Bytes(bytes.Repeat([]byte("s"), 2*attach.MaxData)), cosign.SPDXJSON, "")
	before := []attach.Content{NewSignature(sub, "before"), large}
	if o.contents != nil {
		for i := range 40 {
			c := NewSignature(sub, fmt.Sprintf("past %d", i))
			c.Annotations[cosign.ChainAnnotation] = strings.Repeat("c", 60<<10)
			before = append(before, c)
		}
	}
	put(t, s, sub, before...)
	return before
}

// judge looks at what was said of an entry that was put under the quirk.
func (o ordeal) judge(t *testing.T, receipts []attach.Receipt) {
	t.Helper()
	unseen := 0
	for _, r := range receipts {
		if !r.Viewed {
			unseen++
			if r.Note == "" {
				t.Error("an entry is not in the view and nothing is said of it")
			}
		}
	}
	if o.contents == nil && (unseen > 0) != o.unseen {
		t.Errorf("unseen %v, want %v: %+v", unseen > 0, o.unseen, receipts)
	}
	if o.contents != nil && (unseen == 0 || unseen == len(receipts)) {
		t.Errorf("the view takes %d of %d entries, want some", len(receipts)-unseen, len(receipts))
	}
}

// strangers checks that no other host was given the registry's credentials.
func (o ordeal) strangers(t *testing.T, s *Server) {
	t.Helper()
	for _, r := range s.Elsewhere.Requests() {
		if r.Authorization != "" {
			t.Errorf("another host was sent credentials with %s", r)
		}
	}
}

func parcels(sub attach.Subject, contents []attach.Content) []attach.Parcel {
	list := make([]attach.Parcel, len(contents))
	for i, c := range contents {
		list[i] = attach.Parcel{Subject: sub, Content: c}
	}
	return list
}

// readAll lists and opens everything, and returns what could be read.
func readAll(ctx context.Context, s attach.Store, sub attach.Subject) (map[attach.ID]bool, error) {
	seen := make(map[attach.ID]bool)
	var errs []error
	for a, err := range s.List(ctx, sub) {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if a.Kind == attach.Artifact {
			continue
		}
		rc, err := s.Open(ctx, sub, a)
		if err == nil {
			_, err = io.Copy(io.Discard, rc)
			rc.Close()
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		seen[a.ID()] = true
	}
	return seen, errors.Join(errs...)
}

// told makes one cell of the table.
func told(err error, receipts []attach.Receipt) string {
	text := "works"
	if err != nil {
		text = "fails: " + strings.ReplaceAll(err.Error(), "\n", " | ")
	}
	for _, r := range receipts {
		if r.Note != "" && err == nil {
			text += ", says: " + r.Note
			break
		}
	}
	text = regexp.MustCompile(`sha256([-:])[0-9a-f]{60,}`).ReplaceAllString(text, "sha256${1}*")
	text = regexp.MustCompile(`127\.0\.0\.1:[0-9]+`).ReplaceAllString(text, "HOST")
	if len(text) > 200 {
		text = "..." + text[len(text)-197:]
	}
	return text
}
