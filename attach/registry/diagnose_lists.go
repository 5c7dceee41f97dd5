package registry

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/journal"
)

// tagsAnswer asks for one page of tags.
func (p *probe) tagsAnswer(query url.Values) (answer, []string) {
	a := p.ask(request{method: http.MethodGet, url: p.url("tags/list", query), header: http.Header{"Accept": {"application/json"}}})
	var page struct{ Tags []string }
	if a.ok() {
		if err := json.Unmarshal(a.body, &page); err != nil {
			a.err = fmt.Errorf("the list of tags is no JSON: %v: %w", err, attach.ErrMalformed)
		}
	}
	return a, page.Tags
}

// lists finds out how tags are listed. At least three were put by now.
func (p *probe) lists() {
	a, first := p.tagsAnswer(url.Values{"n": {"1"}})
	p.d.Note("list tags", a.says(), a.String())
	if !a.ok() {
		return
	}
	switch {
	case len(first) > 1:
		p.d.Note("page size of lists", "ignored", fmt.Sprintf("%d tags where one was asked for", len(first)))
	default:
		p.d.Note("page size of lists", "honoured", "")
	}
	switch link := a.header.Get("Link"); {
	case link != "":
		p.d.Note("Link to the next page", attach.Yes, "")
	case len(first) > 1:
		p.d.Note("Link to the next page", "not needed", "all tags come at once")
	default:
		p.d.Note("Link to the next page", attach.No, "pages are asked for by their last tag")
	}
	p.seeking()
}

// seeking asks for the tags behind one that does not exist.
func (p *probe) seeking() {
	const name = "list from a tag on"
	want := journal.SampleTag(p.subject.Desc.Digest)
	last := want[:len(want)-len(".hm")]
	a, tags := p.tagsAnswer(url.Values{"n": {"1000"}, "last": {last}})
	switch {
	case a.says() == attach.Unknown:
		p.d.Note(name, attach.Unknown, a.String())
	case !a.ok():
		p.d.Note(name, attach.No, "the tag has to exist: "+a.String())
	case slices.ContainsFunc(tags, func(t string) bool { return t <= last }):
		p.d.Note(name, attach.No, "the list begins with the first tag, whatever was asked for")
	case !slices.IsSorted(tags):
		p.d.Note(name, attach.No, "the tags come in no order")
	default:
		p.d.Note(name, attach.Yes, "")
	}
	if p.d.Of("journal tag") != attach.Yes {
		return
	}
	all, err := p.Tags(p.ctx, want)
	switch {
	case err != nil:
		p.d.Note("new tags are listed", attach.Unknown, err.Error())
	case len(all) == 0:
		p.d.Note("new tags are listed", attach.No, "the tag "+want[:14]+"... was put and is not in the list")
	default:
		p.d.Note("new tags are listed", attach.Yes, "")
	}
}

// deleting deletes one tag, and one manifest by its digest.
func (p *probe) deleting() {
	tag := p.name + "-tag"
	if slices.Contains(p.tags, tag) {
		a := p.ask(p.deleteRequest(tag))
		value, detail := a.says(), a.String()
		if a.ok() {
			if after := p.get("manifests/" + tag); after.ok() {
				value, detail = attach.No, "it says so, and the tag is still there"
			}
		}
		p.d.Note("delete by tag", value, detail)
	}
	a := p.ask(p.deleteRequest(p.digests[len(p.digests)-1]))
	p.d.Note("delete by digest", a.says(), a.String())
}

// clean removes what was written: all tags, then what is left by digest; what is
// still there once more, since not every registry has it all at once. No other tag
// can name these manifests, since nobody else has their bytes.
func (p *probe) clean() {
	p.d.Left = slices.Concat(distinct(p.tags), distinct(p.digests))
	for range 2 {
		for _, ref := range p.d.Left {
			p.ask(p.deleteRequest(ref))
			p.forget(ref)
		}
		p.d.Left = slices.DeleteFunc(p.d.Left, func(ref string) bool { return p.head(ref).status == http.StatusNotFound })
	}
}

func distinct(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}

func (p *probe) head(ref string) answer {
	return p.ask(request{method: http.MethodHead, url: p.url("manifests/"+ref, nil), header: http.Header{"Accept": {acceptManifests()}}})
}

// plan says how attachments would be kept, and whether nothing gets lost so.
func (p *probe) plan() {
	d := p.d
	form := p.planForm()
	list := d.Of("list tags")
	kept := attach.No
	switch {
	case p.native:
		kept = attach.Yes
		d.Intend("journal", "referrers", "the registry lists what refers to an image; nothing is overwritten and no tag is needed")
	case d.Of("journal tag") == attach.Yes && list == attach.Yes:
		kept = attach.Yes
		d.Intend("journal", "tags", "one tag for each entry, named after its content: the registry lists no referrers")
	case slices.Contains([]attach.Answer{d.Of("journal tag"), list, d.Of("referrers API")}, attach.Unknown):
		kept = attach.Unknown
		d.Intend("journal", attach.Unknown, "it could not be found out whether referrers or tags can be written and listed")
	default:
		d.Intend("journal", "none", "neither referrers nor tags can be written and listed: an entry that another writer drops from cosign's tag would be lost")
	}
	p.planView()
	honest := p.planDigests()
	if d.Of("referrers API") == "odd" {
		d.Intend("reading", "careful", "what the registry answers for referrers is no plain no: an image without any signature cannot be told from one whose signature is hidden, and ends in exit code 2")
	}
	switch {
	case form == attach.No || kept == attach.No || honest == attach.No:
		d.Works = attach.No
	case form == attach.Unknown || kept == attach.Unknown:
		d.Works = attach.Unknown
	default:
		d.Works = attach.Yes
	}
}

// planForm chooses the form of the objects, and says whether the registry takes it.
func (p *probe) planForm() attach.Answer {
	cosignLayers := p.d.Of("cosign layers")
	switch cosignLayers {
	case attach.Yes:
		p.d.Intend("form", "cosign", "image manifests with cosign's layer types, which every version of cosign reads")
	case attach.Unknown:
		p.d.Intend("form", attach.Unknown, "it could not be found out whether cosign's layer types are taken")
	default:
		p.d.Intend("form", "image", "cosign's layer types are refused and those of images taken: attach with --as image, which hallmark reads and cosign does not")
		return p.d.Of("image")
	}
	return cosignLayers
}

// planView says how cosign's tag is kept.
func (p *probe) planView() {
	const exclude = "exclude sha256-*.sig, sha256-*.att and sha256-*.sbom from immutability (three filters, exactly these) for cosign to see all"
	switch p.d.Of("overwrite a tag") {
	case attach.Yes:
		p.d.Intend("view", "rewritten", "cosign's tags are written anew with each attachment and show all of them")
	case attach.No:
		p.d.Intend("view", "once", "tags are immutable: cosign's tag shows what was attached first, hallmark shows all; "+exclude)
	default:
		p.d.Intend("view", attach.Unknown, "it could not be found out whether a tag can be written twice")
	}
	if p.d.Of("tags read as written") == attach.No {
		p.d.Intend("patience", "needed", "tags read as they were for a while after they were put: what was attached is confirmed when it is listed, and cosign sees it later")
	}
	if !strings.EqualFold(string(p.d.Of("delete by tag")), string(attach.Yes)) && p.d.Of("delete by digest") != attach.Yes {
		p.d.Intend("cleaning", attach.No, "nothing can be deleted: what is attached stays")
	}
}
