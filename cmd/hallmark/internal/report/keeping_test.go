package report

import (
	"errors"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/hallmark-oci/hallmark/attach"
)

// The documents of keeping, with every field in use.

func signature() attach.Attachment {
	return attachment(attach.Signature, "application/vnd.dev.cosign.simplesigning.v1+json", "payload",
		place(attach.Journal, "sha256-aa.bb.hm"), place(attach.CosignTag, "sha256-aa.sig"))
}

func left() []attach.Left {
	return []attach.Left{
		{Ref: "sha256-aa.bb.hm", Err: errors.New("405 Method Not Allowed")},
		{Ref: digest("referrer").String(), Err: errors.New("403 Forbidden")},
	}
}

func listing(entries []Entry) Listing {
	l := NewListing("registry.example/app:1.0", digest("image").String(), entries,
		[]error{errors.New("referrers: 503"), errors.New("journal: cut off")})
	hidden := attachment(attach.Signature, "application/vnd.dev.cosign.simplesigning.v1+json", "hidden", place(attach.Journal, "sha256-aa.cc.hm"))
	hidden.Removed = "sha256-aa.cc.gone"
	l.Hide(hidden)
	return l
}

func cleanedOnce(dry bool) Cleaned {
	c := Cleaned{
		Image: "registry.example/app:1.0", Digest: digest("image").String(), DryRun: dry, Kept: 3, Ageless: 1,
		Removed: []Removed{
			NewRemoved(attach.Removal{Attachment: attachment(attach.SBOM, "text/spdx+json", "sbom", place(attach.CosignTag, "sha256-aa.sbom"))}),
			NewRemoved(attach.Removal{Attachment: signature(), Shown: "the tag sha256-aa.sig may not be written again", Left: left()}),
		},
		Errors: []string{"the bundle cannot be read", "a referrer is not there"},
	}
	c.Sort()
	return c
}

func repairs(dry bool) Repairs {
	return Repairs{DryRun: dry, Images: []Repaired{
		NewRepaired("registry.example/app:1.0", digest("image").String(), attach.Repaired{
			Missing:  []attach.Attachment{signature()},
			Adopted:  []attach.Attachment{attachment(attach.Attestation, "https://spdx.dev/Document", "envelope", place(attach.CosignTag, "sha256-aa.att"))},
			Returned: []attach.Attachment{attachment(attach.SBOM, "text/spdx+json", "sbom", place(attach.CosignTag, "sha256-aa.sbom"))},
			Lost:     []string{"the journal entry x is listed and gone"},
			Folded:   5, Into: 1, Left: left(), Notes: []string{"the tag sha256-aa.att is full", "b"},
		}, nil),
		NewRepaired("registry.example/app:2.0", digest("other").String(), attach.Repaired{}, nil),
		NewRepaired("registry.example/app:3.0", "", attach.Repaired{}, errors.New("no such host")),
	}}
}

func migrated() Migrated {
	m := NewMigrated("registry.example/app:1.0", attach.Subject{Repo: "registry.example/app", Desc: v1.Descriptor{Digest: digest("image")}},
		"referrers", []error{errors.New("malformed"), errors.New("digest mismatch")})
	became := attach.Receipt{Attachment: attachment(attach.Artifact, "application/spdx+json", "sbom", place(attach.Referrers, "")), Viewed: true}
	m.Entries = append(m.Entries,
		NewMigratedOnce(attachment(attach.SBOM, "text/spdx+json", "sbom", place(attach.CosignTag, "sha256-aa.sbom")), &became, "", &attach.Removal{}),
		NewMigratedOnce(attachment(attach.Attestation, "https://spdx.dev/Document", "envelope"), &became, "", &attach.Removal{Shown: "the tag may not be written again"}),
		NewMigratedOnce(signature(), nil, "a signature cannot become another form unless it is made anew", nil),
	)
	return m
}

func orphans(swept bool) Orphans {
	o := Orphans{Repository: "registry.example/app", Swept: swept, Complete: !swept}
	for _, what := range []attach.Remnant{attach.OrphanView, attach.OrphanEntry, attach.OrphanGone, attach.OrphanIndex} {
		o.Orphans = append(o.Orphans, NewOrphan(attach.Orphan{Subject: digest("gone"), What: what, Ref: "sha256-bb." + string(what[:1])}))
	}
	o.Orphans = append(o.Orphans, NewOrphan(attach.Orphan{Subject: digest("gone"), What: attach.OrphanReferrer, Ref: digest("referrer").String()}))
	if swept {
		o.Left, o.Errors = NewLeft(left()), []string{"the subject of x: 503"}
	}
	return o
}

// TestOrphansBySubject: each subject that is gone is named once, above what is of it.
func TestOrphansBySubject(t *testing.T) {
	o := orphans(false)
	o.Orphans = append(o.Orphans, NewOrphan(attach.Orphan{Subject: digest("too"), What: attach.OrphanView, Ref: "sha256-cc.sig"}))
	text := string(render(t, "text", o))
	if n := strings.Count(text, "gone: sha256:"); n != 2 || !strings.HasSuffix(text, "gone: "+digest("too").String()+"\n    view sha256-cc.sig\n") {
		t.Errorf("%d subjects:\n%s", n, text)
	}
}

func TestAge(t *testing.T) {
	for age, want := range map[time.Duration]string{
		0: "0s", 24 * time.Hour: "1d", 720 * time.Hour: "30d", 90 * time.Minute: "1h30m0s", 25 * time.Hour: "25h0m0s",
	} {
		if got := Age(age); got != want {
			t.Errorf("%v: %s, want %s", age, got, want)
		}
	}
}
