package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/rogpeppe/go-internal/testscript"
)

// forge puts something into a repository that anyone may who can write to it:
//
//	forge tombstone IMAGE   a tombstone for every entry of the image's journal
//	forge entries N IMAGE   so many journal tags that lead to no journal entry
//	forge names IMAGE       journal tags whose names are not of what is under them
//	forge subject A B       what refers to A in the list of what refers to B
//	forge files WHAT REF    an artifact of hostile files, see hostileFiles
//	forge attached WHAT IMAGE   the same as one that refers to the image
func forge(ts *testscript.TestScript, neg bool, args []string) {
	switch {
	case !neg && len(args) == 2 && args[0] == "tombstone":
		forgeTombstones(ts, digestOf(ts, args[1]))
	case !neg && len(args) == 3 && args[0] == "entries":
		var n int
		_, err := fmt.Sscan(args[1], &n)
		ts.Check(err)
		forgeEntries(ts, digestOf(ts, args[2]), n)
	case !neg && len(args) == 2 && args[0] == "names":
		forgeNames(ts, digestOf(ts, args[1]))
	case !neg && len(args) == 3 && args[0] == "subject":
		forgeSubject(ts, digestOf(ts, args[1]), digestOf(ts, args[2]))
	case !neg && len(args) == 3 && args[0] == "files":
		forgeFiles(ts, args[1], args[2])
	case !neg && len(args) == 3 && args[0] == "attached":
		forgeAttached(ts, args[1], digestOf(ts, args[2]))
	default:
		ts.Fatalf("usage: forge tombstone IMAGE | forge entries N IMAGE | forge names IMAGE | forge subject A B | forge files|attached WHAT REF")
	}
}

// blob uploads a blob as it is and returns its digest.
func blob(ts *testscript.TestScript, at name.Digest, content []byte) string {
	digest := fmt.Sprintf("sha256:%x", sha256.Sum256(content))
	send(ts, http.MethodPost, "blobs/uploads/?digest="+digest, at.Tag("x"), "application/octet-stream", content)
	return digest
}

func forgeTombstones(ts *testscript.TestScript, image name.Digest) {
	empty := map[string]any{"mediaType": "application/vnd.oci.empty.v1+json", "size": 2, "digest": blob(ts, image, []byte("{}"))}
	stone := func(entry string) map[string]any {
		return map[string]any{
			"schemaVersion": 2, "mediaType": ociManifest, "config": empty, "layers": []any{empty},
			"artifactType": "application/vnd.hallmark.gone.v1+json",
			"annotations":  map[string]string{"dev.hallmark.gone": entry, "dev.hallmark.subject": image.DigestStr()},
		}
	}
	n := 0
	tags, err := remote.List(image.Repository)
	ts.Check(err)
	prefix := strings.Replace(image.DigestStr(), ":", "-", 1) + "."
	for _, tag := range tags {
		entry, ok := strings.CutSuffix(strings.TrimPrefix(tag, prefix), ".hm")
		if !ok || !strings.HasPrefix(tag, prefix) {
			continue
		}
		n++
		raw, err := json.Marshal(stone(entry))
		ts.Check(err)
		gone := image.Tag(prefix + entry + ".gone")
		send(ts, http.MethodPut, "manifests/"+gone.TagStr(), gone, ociManifest, raw)
	}
	index, err := remote.Referrers(image)
	ts.Check(err)
	list, err := index.IndexManifest()
	ts.Check(err)
	for _, d := range list.Manifests {
		entry := d.Annotations["dev.hallmark.entry"]
		if entry == "" {
			continue
		}
		n++
		s := stone(entry)
		s["subject"] = map[string]any{"mediaType": ociManifest, "size": 1, "digest": image.DigestStr()}
		raw, err := json.Marshal(s)
		ts.Check(err)
		send(ts, http.MethodPut, fmt.Sprintf("manifests/sha256:%x", sha256.Sum256(raw)), image.Tag("x"), ociManifest, raw)
	}
	if n == 0 {
		ts.Fatalf("%s has no journal", image)
	}
}

func forgeEntries(ts *testscript.TestScript, image name.Digest, n int) {
	raw := bytes.TrimSpace([]byte(`{"schemaVersion":2,"mediaType":"` + ociManifest + `","layers":[]}`))
	prefix := strings.Replace(image.DigestStr(), ":", "-", 1) + "."
	for i := range n {
		tag := image.Tag(fmt.Sprintf("%s1%031x.hm", prefix, i))
		send(ts, http.MethodPut, "manifests/"+tag.TagStr(), tag, ociManifest, raw)
	}
}

// forgeNames puts the journal entries of an image under other names that journal
// entries may have, among them one of another kind, and an image under one.
func forgeNames(ts *testscript.TestScript, image name.Digest) {
	prefix := strings.Replace(image.DigestStr(), ":", "-", 1) + "."
	tags, err := remote.List(image.Repository)
	ts.Check(err)
	subject, err := remote.Get(image)
	ts.Check(err)
	n := 0
	for _, tag := range tags {
		entry, ok := strings.CutSuffix(strings.TrimPrefix(tag, prefix), ".hm")
		if !ok || !strings.HasPrefix(tag, prefix) {
			continue
		}
		raw := fetch(ts, image.Tag(tag))
		for i, other := range []string{"1" + strings.Repeat("0", 31), "2" + entry[1:], "3" + entry[1:]} {
			if other == entry {
				continue
			}
			to := image.Tag(fmt.Sprintf("%s%s%x.hm", prefix, other[:len(other)-1], (n+i)%16))
			send(ts, http.MethodPut, "manifests/"+to.TagStr(), to, ociManifest, raw)
		}
		n++
	}
	if n == 0 {
		ts.Fatalf("%s has no journal", image)
	}
	to := image.Tag(prefix + "1" + strings.Repeat("f", 31) + ".hm")
	send(ts, http.MethodPut, "manifests/"+to.TagStr(), to, string(subject.MediaType), subject.Manifest)
}

// forgeSubject has the tag that lists what refers to the second image name what
// refers to the first.
func forgeSubject(ts *testscript.TestScript, from, to name.Digest) {
	list := func(image name.Digest) name.Tag {
		return image.Tag(strings.Replace(image.DigestStr(), ":", "-", 1))
	}
	const index = "application/vnd.oci.image.index.v1+json"
	send(ts, http.MethodPut, "manifests/"+list(to).TagStr(), list(to), index, fetch(ts, list(from)))
}
