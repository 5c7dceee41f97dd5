package main

import (
	"fmt"
	"strings"
)

// trees write archives of images of which much hangs, in ways that are hostile or only
// odd. The image is tagged 1.
func trees() map[string]func(tarball) {
	return map[string]func(tarball){
		// Attachments of attachments, as deep as they may be and deeper.
		"chain-30":   func(t tarball) { t.chain(30) },
		"chain-1000": func(t tarball) { t.chain(1000) },
		// Indexes of indexes.
		"nest-30":   func(t tarball) { t.nest(30, 1) },
		"nest-1000": func(t tarball) { t.nest(1000, 1) },
		// Each index lists the one below many times: a thousand to the power of thirty ways.
		"nest-wide": func(t tarball) { t.nest(30, 1000) },
		// Referrers of one image, as many as are looked at and more.
		"wide-10000": func(t tarball) { t.wide(10_000) },
		"wide-20001": func(t tarball) { t.wide(20_001) },
		// Two that are tagged as the signatures of each other, and an image that is its own.
		"cycle": func(t tarball) {
			image := t.child("1", "0", "")
			one := t.child("", "1", "")
			two := t.child("sha256-"+one.hex()+".sig", "2", "")
			t.layout(image.entry() + "," + two.entry() + "," +
				one.tagged("sha256-"+two.hex()+".sig") + "," + one.tagged("sha256-"+image.hex()+".sig"))
		},
		"self": func(t tarball) {
			image := t.child("1", "0", "")
			t.layout(image.entry() + "," + image.tagged("sha256-"+image.hex()+".sig"))
		},
		// More manifests than one image may have.
		"many": func(t tarball) {
			image := t.child("1", "0", "")
			all := []string{image.entry()}
			for i := range 4 {
				index := t.indexed("", fmt.Sprint(i), 900, image)
				all = append(all, index.entry())
				for j := range 14 {
					all = append(all, t.indexed("", fmt.Sprint(i, j), 950, index).entry())
				}
			}
			t.layout(strings.Join(all, ","))
		},
	}
}

// A member is a manifest of an archive.
type member struct{ open, tag string }

func (m member) hex() string { return m.digest()[len("sha256:"):] }

func (m member) digest() string {
	_, rest, _ := strings.Cut(m.open, `"digest":"`)
	return rest[:len("sha256:")+64]
}

// entry returns the descriptor, with its tag.
func (m member) entry() string { return m.tagged(m.tag) }

func (m member) tagged(tag string) string {
	if tag == "" {
		return m.open + "}"
	}
	return m.open + fmt.Sprintf(`,"annotations":{"org.opencontainers.image.ref.name":%q}}`, tag)
}

// subject returns the member that makes another manifest refer to this one.
func (m member) subject() string { return `"subject":` + m.open + `},` }

// child writes an image manifest of no layers; more is what it has besides.
func (t tarball) child(tag, note, more string) member {
	return member{t.blob(ociManifest, fmt.Sprintf(
		`{"schemaVersion":2,"mediaType":%q,%s"artifactType":"a/b","config":%s,"layers":[],"annotations":{"note":%q}}`,
		ociManifest, more, t.config, note)), tag}
}

const ociIndex = "application/vnd.oci.image.index.v1+json"

// indexed writes an index that refers to the subject and lists so many new images.
func (t tarball) indexed(tag, note string, n int, subject member) member {
	list := make([]string, n)
	for i := range list {
		list[i] = t.child("", fmt.Sprint(note, " ", i), "").entry()
	}
	return member{t.blob(ociIndex, fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,%s"manifests":[%s]}`, ociIndex, subject.subject(), strings.Join(list, ","))), tag}
}

// chain writes an image and so many referrers, each of the one before.
func (t tarball) chain(n int) {
	last := t.child("1", "0", "")
	all := []string{last.entry()}
	for i := range n {
		last = t.child("", fmt.Sprint(i+1), last.subject())
		all = append(all, last.entry())
	}
	t.layout(strings.Join(all, ","))
}

// nest writes an image and so many indexes, each of which lists the one before.
func (t tarball) nest(depth, times int) {
	last := t.child("", "0", "")
	for range depth {
		list := strings.TrimSuffix(strings.Repeat(last.entry()+",", times), ",")
		last = member{t.blob(ociIndex, fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"manifests":[%s]}`, ociIndex, list)), "1"}
		last.tag = ""
	}
	t.layout(last.tagged("1"))
}

// wide writes an image and so many referrers to it.
func (t tarball) wide(n int) {
	image := t.child("1", "0", "")
	all := []string{image.entry()}
	for i := range n {
		all = append(all, t.child("", fmt.Sprint(i+1), image.subject()).entry())
	}
	t.layout(strings.Join(all, ","))
}
