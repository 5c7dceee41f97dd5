package registry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/cosign"
	"github.com/hallmark-oci/hallmark/attach/journal"
)

// The media types that a registry which knows images alone does not know.
const (
	customType = "application/vnd.hallmark.probe.v1+json"
	emptyType  = "application/vnd.oci.empty.v1+json"
)

// overwriting puts one tag twice.
func (p *probe) overwriting() {
	tag := p.name + "-tag"
	first, second := p.manifest("first", nil), p.manifest("second", nil)
	if a := p.put(tag, first); !a.ok() {
		p.d.Note("overwrite a tag", attach.Unknown, a.String())
		return
	}
	a := p.put(tag, second)
	p.d.Note("overwrite a tag", a.says(), a.String())
	if !a.ok() {
		return
	}
	if same, now := p.holds(tag, second); !same {
		p.d.Note("tags read as written", attach.No, fmt.Sprintf("right after it was put again the tag %s is answered with something else (%s)", tag, now))
	} else if p.d.Of("tags read as written") == attach.Unknown {
		p.d.Note("tags read as written", attach.Yes, "")
	}
	old, a := p.holds(attach.DigestOf(first).String(), first)
	switch {
	case old:
		p.d.Note("replaced manifest stays", attach.Yes, "it can still be read by its digest")
	default:
		p.d.Note("replaced manifest stays", a.says(), a.String())
	}
}

// mediaTypes puts manifests of all forms.
func (p *probe) mediaTypes() {
	empty := v1.Descriptor{MediaType: emptyType, Size: 2, Digest: attach.DigestOf([]byte("{}"))}
	for _, form := range []struct {
		name, tag string
		change    map[string]any
	}{
		{"cosign layers", attach.CosignTagOf(p.subject.Desc.Digest, attach.Signature),
			map[string]any{"layers": []v1.Descriptor{as(p.layer, cosign.SimpleSigning)}}},
		{"custom config", p.name + "-config", map[string]any{"config": as(p.config, customType)}},
		{"artifact type, empty config", p.name + "-artifact", map[string]any{"config": empty, "artifactType": customType}},
	} {
		a := p.put(form.tag, p.manifest(form.name, form.change))
		p.d.Note(form.name, a.says(), a.String())
	}
}

// index returns an index of one manifest, with the annotations of the probe.
func (p *probe) index(d v1.Descriptor) []byte {
	raw, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": types.OCIImageIndex, "manifests": []v1.Descriptor{d},
		"annotations": map[string]string{"dev.hallmark.probe": p.name + " fallback"},
	})
	if err != nil {
		panic(err) // a map of strings and descriptors
	}
	return raw
}

// fallbackTag looks whether the tag in place of the referrers API is a tag like
// any other.
func (p *probe) fallbackTag() {
	const name = "fallback tag"
	tag := attach.FallbackTagOf(p.subject.Desc.Digest)
	if same, a := p.holds(tag, p.subject.Raw); same {
		p.d.Note(name, "is the subject", "the tag "+tag[:14]+"... is taken for the digest")
		return
	} else if a.ok() || a.says() == attach.Unknown {
		p.d.Note(name, attach.Unknown, a.String())
		return
	}
	raw := p.index(p.subject.Desc)
	if a := p.put(tag, raw); !a.ok() {
		p.d.Note(name, a.says(), a.String())
		return
	}
	same, a := p.holds(tag, raw)
	switch {
	case same:
		p.d.Note(name, attach.Yes, "")
	case a.ok():
		p.d.Note(name, attach.No, "it reads as something else than was put")
	default:
		p.d.Note(name, a.says(), a.String())
	}
}

// referrers asks for referrers before one is put and after.
func (p *probe) referrers() {
	path := "referrers/" + p.subject.Desc.Digest.String()
	none, value, detail := p.referrersAnswer(path)
	raw := p.manifest("referrer", map[string]any{
		"artifactType": journal.EntryType,
		"subject":      p.subject.Desc,
	})
	a := p.put("", raw)
	p.d.Note("manifest by digest", a.says(), a.String())
	claim := a.header.Get("OCI-Subject")
	if value == "native" && a.ok() {
		after := p.get(path)
		list, err := attach.ParseReferrers(after.body, attach.MaxReferrers)
		digest := attach.DigestOf(raw)
		for _, d := range list {
			p.native = p.native || after.ok() && d.Digest == digest
		}
		switch {
		case p.native:
			detail = "a referrer that was put is listed"
		case after.says() == attach.Unknown:
			value, detail = attach.Unknown, after.String()
		default:
			value, detail = "odd", fmt.Sprintf("the list is answered and does not show a referrer that was put (%s, %v)", after, err)
		}
	}
	p.d.Note("referrers API", value, detail)
	switch {
	case claim == "" && p.native:
		p.d.Note("OCI-Subject", "missing", "although referrers are listed")
	case claim == "":
		p.d.Note("OCI-Subject", "honest", "not sent")
	case claim != p.subject.Desc.Digest.String():
		p.d.Note("OCI-Subject", "dishonest", "it names another subject")
	case p.native:
		p.d.Note("OCI-Subject", "honest", "sent, and the referrer is listed")
	case none || value == "odd":
		p.d.Note("OCI-Subject", "dishonest", "sent, and no referrer is listed")
	default:
		p.d.Note("OCI-Subject", attach.Unknown, "sent, and referrers could not be asked for")
	}
}

// referrersAnswer tells what is answered for the referrers API.
func (p *probe) referrersAnswer(path string) (none bool, value attach.Answer, detail string) {
	r := request{method: http.MethodGet, url: p.url(path, nil), header: http.Header{"Accept": {string(types.OCIImageIndex)}}}
	resp, raw, err := p.bytes(p.ctx, r, p.options.MaxManifest)
	none, odd := noReferrers(resp, err)
	var se *statusError
	switch {
	case none && odd == nil && errors.As(err, &se):
		return true, "none", se.Error()
	case none && odd == nil:
		return true, "none", err.Error()
	case none:
		return true, "odd", odd.Error()
	case err != nil:
		return false, attach.Unknown, err.Error()
	}
	if _, err := attach.ParseReferrers(raw, attach.MaxReferrers); err != nil {
		return false, "odd", err.Error()
	}
	return false, "native", ""
}

// journalTag puts a tag of the form that journal entries have.
func (p *probe) journalTag() {
	raw := p.manifest("journal", map[string]any{"layers": []v1.Descriptor{as(p.layer, cosign.SimpleSigning)}})
	if p.d.Of("cosign layers") != attach.Yes {
		raw = p.manifest("journal", nil)
	}
	a := p.put(journal.SampleTag(p.subject.Desc.Digest), raw)
	p.d.Note("journal tag", a.says(), a.String())
	from := url.Values{"mount": {p.layer.Digest.String()}, "from": {p.repo.RepositoryStr()}}
	a = p.ask(request{method: http.MethodPost, url: p.url("blobs/uploads/", from), write: true})
	switch a.status {
	case http.StatusCreated:
		p.d.Note("mount a blob", attach.Yes, "")
	case http.StatusAccepted:
		p.d.Note("mount a blob", attach.No, "it wants the content again")
		p.abandon(a.header.Get("Location"))
	default:
		p.d.Note("mount a blob", a.says(), a.String())
	}
}

// abandon ends an upload that was begun, as far as the registry lets it be ended.
func (p *probe) abandon(location string) {
	to, err := p.url("blobs/uploads/", nil).Parse(location)
	if err == nil && location != "" && p.home(to) {
		p.ask(request{method: http.MethodDelete, url: to, write: true})
	}
}

// large puts a manifest of 4 MiB.
func (p *probe) large() {
	const name = "manifest of 4 MiB"
	small := p.manifest(name, map[string]any{"annotations": map[string]string{"dev.hallmark.probe": p.name, "dev.hallmark.padding": ""}})
	room := attach.MaxManifest - len(small)
	raw := bytes.Replace(small, []byte(`"dev.hallmark.padding":""`), []byte(`"dev.hallmark.padding":"`+strings.Repeat("x", room)+`"`), 1)
	a := p.put(p.name+"-large", raw)
	p.d.Note(name, a.says(), a.String())
}
