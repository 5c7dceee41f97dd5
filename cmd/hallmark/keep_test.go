package main

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/rogpeppe/go-internal/testscript"
)

// expunge deletes an image from its registry, tag and manifest, or what hangs from
// it under tags that end in the suffix: expunge REF [SUFFIX]
func expunge(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: expunge REF [SUFFIX]")
	}
	ref, err := name.NewTag(args[0])
	ts.Check(err)
	d, err := remote.Head(ref)
	ts.Check(err)
	if len(args) == 1 {
		ts.Check(remote.Delete(ref))
		ts.Check(remote.Delete(ref.Context().Digest(d.Digest.String())))
		return
	}
	tags, err := remote.List(ref.Context())
	ts.Check(err)
	n := 0
	for _, t := range tags {
		if strings.HasPrefix(t, "sha256-"+d.Digest.Hex+".") && strings.HasSuffix(t, args[1]) {
			ts.Check(remote.Delete(ref.Context().Tag(t)))
			n++
		}
	}
	if n == 0 {
		ts.Fatalf("%s has no tag that ends in %s", args[0], args[1])
	}
}

// entryIDs sets $ENTRY_1 and so on to the identities in a document that 'list -f json'
// printed: entries FILE
func entryIDs(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: entries FILE")
	}
	for i, m := range regexp.MustCompile(`"id": *"([0-9a-f]{16})`).FindAllStringSubmatch(ts.ReadFile(args[0]), -1) {
		ts.Setenv(fmt.Sprint("ENTRY_", i+1), m[1])
	}
}
