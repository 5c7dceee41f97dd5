package storetest

import (
	"strings"
	"time"
)

// User and Password are the credentials that the registries of the catalogue
// want, where they want any.
const (
	User     = "user"
	Password = "secret-of-the-catalogue"
)

// A Case is one registry of the catalogue.
type Case struct {
	// Native says that it serves the referrers API, be it rightly or wrongly.
	Native bool
	// Quirks are its own, to be used once: many of them count.
	Quirks []Quirk
}

// Name says what the registry does, for tables and test names.
func (c Case) Name() string {
	var names []string
	if c.Native {
		names = append(names, NativeReferrers().Name)
	}
	for _, q := range c.Quirks {
		names = append(names, q.Name)
	}
	if names == nil {
		return "no quirk"
	}
	return strings.Join(names, ", ")
}

// Base returns what the registry is like before and after its quirks: whether
// it keeps referrers.
func (c Case) Base() []Quirk {
	if c.Native {
		return []Quirk{NativeReferrers()}
	}
	return nil
}

// All returns the quirks with what they rest on, for [Start] and [Server.Set].
func (c Case) All() []Quirk { return append(append([]Quirk(nil), c.Quirks...), c.Base()...) }

// Catalogue returns the registries that every command is held against: each
// quirk alone, or with what makes it bite.
func Catalogue() []Case {
	all := []Case{{}, {Native: true}}
	for _, part := range [][]Case{referrersCases(), writingCases(), deletingCases(), listingCases(), blobCases(), troubleCases(), loginCases()} {
		all = append(all, part...)
	}
	return all
}

func alone(quirks ...Quirk) []Case {
	cases := make([]Case, len(quirks))
	for i, q := range quirks {
		cases[i] = Case{Quirks: []Quirk{q}}
	}
	return cases
}

func native(quirks ...Quirk) Case { return Case{Native: true, Quirks: quirks} }

func referrersCases() []Case {
	var all []Case
	for _, status := range []int{400, 403, 404, 405, 429, 500, 501} {
		all = append(all, Case{Quirks: []Quirk{ReferrersStatus(status)}})
	}
	all = append(all, alone(ReferrersRedirect(), ReferrersType("application/json"), ReferrersType("text/html"), ReferrersEmpty(), SubjectLie(), FallbackIsSubject())...)
	return append(all, Case{Quirks: []Quirk{SubjectLie(), ReferrersEmpty()}})
}

func writingCases() []Case {
	var all []Case
	for _, status := range []int{403, 409, 412, 400} {
		all = append(all, Case{Quirks: []Quirk{Immutable(status)}}, native(Immutable(status)))
	}
	all = append(all, alone(
		ManifestLimit(400), ManifestLimit(413), ImagesOnly(), NoDockerTypes(), StrictContentType(),
		OldManifestGone(), CollectUntagged(0), CollectSignatures(),
		ConcurrentPut(404, time.Millisecond), ConcurrentPut(500, time.Millisecond), BlobsLate(2), ResetAfterPut(1))...)
	return append(all, native(OldManifestGone()), native(CollectUntagged(0)), native(CollectSignatures()), native(ResetAfterPut(2)))
}

func deletingCases() []Case {
	return append(alone(NoDelete(), DeleteByDigest(400), DeleteByDigest(405), DeleteImmutable()), native(NoDelete()), native(DeleteByDigest(400)))
}

// crowd is how many tags of other images make a list of several pages.
const crowd = 2500

func listingCases() []Case {
	all := alone(IgnoreN(), IgnoreLast(), LastMustExist(), MaxN(1000), PseudoTag("_uploads"), AbsentEmpty(), NoCatalog(),
		Crowd(crowd), EndlessPages(true), EndlessPages(false), StaleLists(5*time.Minute), StaleTags(1), StaleFor(5*time.Minute))
	return append(all,
		Case{Quirks: []Quirk{PageSize(1), Links()}},
		Case{Quirks: []Quirk{Links(), Crowd(crowd)}},
		Case{Quirks: []Quirk{IgnoreN(), IgnoreLast(), Crowd(crowd)}},
		Case{Quirks: []Quirk{LastMustExist(), Crowd(crowd)}},
		Case{Quirks: []Quirk{MaxN(1000), PseudoTag("_uploads"), Crowd(crowd)}})
}

func blobCases() []Case {
	return append(alone(TwoStepUploads(), Mounts(), Mount202(), MountLie(), MountNeedsFrom(), ChunkFromZero(), IgnoreRange(), ResetInBlob(2),
		RedirectBlobs(false), RedirectBlobs(true)),
		Case{Quirks: []Quirk{Only("GET .*/blobs/", Truncated())}},
		Case{Quirks: []Quirk{Only("GET .*/blobs/", WrongBytes())}},
	)
}

func troubleCases() []Case {
	return []Case{
		{Quirks: []Quirk{Flap(3, 503)}},
		native(Flap(4, 500)),
		{Quirks: []Quirk{Flap(1, 503)}},
		{Quirks: []Quirk{TooMany(5, "1")}},
		{Quirks: []Quirk{TooMany(5, "Fri, 31 Dec 1999 23:59:59 GMT")}},
		{Quirks: []Quirk{TooMany(1, "")}},
		{Quirks: []Quirk{Drip(512, time.Millisecond)}},
		{Quirks: []Quirk{Only(`/manifests/`, Drip(1, 50*time.Millisecond))}},
		{Quirks: []Quirk{Only(`/manifests/sha256-`, Truncated())}},
		{Quirks: []Quirk{Only(`/manifests/sha256-`, WrongBytes())}},
		{Quirks: []Quirk{Only("/tags/list", Status(403, "DENIED"))}},
		{Quirks: []Quirk{Only("^PUT .*/manifests/", Status(503, "UNAVAILABLE"))}},
		{Quirks: []Quirk{DigestLie()}},
		{Quirks: []Quirk{Delay(20 * time.Millisecond)}},
	}
}

func loginCases() []Case {
	tokens := func(t *Tokens) Quirk {
		t.User, t.Password = User, Password
		return t.Quirk()
	}
	name := func(n string, q Quirk) Quirk { q.Name = n; return q }
	return []Case{
		{Quirks: []Quirk{Credentials(User, Password)}},
		{Quirks: []Quirk{name("other credentials wanted", Credentials(User, "another"))}},
		{Quirks: []Quirk{tokens(&Tokens{})}},
		{Quirks: []Quirk{name("two challenges, basic first", tokens(&Tokens{Basic: true}))}},
		{Quirks: []Quirk{name("tokens good for 10 requests", tokens(&Tokens{Uses: 10}))}},
		{Quirks: []Quirk{ScopeLimit(2), tokens(&Tokens{})}},
		{Quirks: []Quirk{name("tokens from another host by http", tokens(&Tokens{Realm: "http://auth.example.com/token"}))}},
		{Quirks: []Quirk{Credentials(User, Password), RedirectBlobs(false)}},
		{Quirks: []Quirk{Credentials(User, Password), RedirectBlobs(true)}},
	}
}
