package main

import (
	"strings"

	"github.com/hallmark-oci/hallmark/attach/storetest"
)

// verbs returns the columns of the matrix.
func verbs() []verb {
	return []verb{
		{name: "seal", line: "seal --key $DIR/c.key $IMAGE", writes: true, adds: true, then: "verify --key $DIR/c.pub --sbom $IMAGE"},
		{name: "sign", line: "sign --key $DIR/c.key $IMAGE", writes: true, adds: true, then: "verify --key $DIR/c.pub $IMAGE"},
		{name: "attest", line: "attest --key $DIR/a.key --type custom --predicate $DIR/custom.json $IMAGE", writes: true, adds: true,
			then: "verify --key $DIR/a.pub --type custom $IMAGE"},
		{name: "attach-sbom", line: "attach sbom $IMAGE $DIR/spdx.json", writes: true, adds: true},
		{name: "attach-artifact", line: "attach artifact --type text/plain $IMAGE $DIR/custom.json", writes: true, adds: true,
			then: "get artifact --unverified -o $OUT $IMAGE"},
		{name: "countersign", line: "sign --countersign --entry all --key $DIR/c.key $IMAGE", writes: true,
			then: "verify --key $DIR/a.pub --countersigned-by $DIR/c.pub $IMAGE"},
		{name: "push", line: "push $REPO:new $DIR/spdx.json", writes: true, then: "pull -o $OUT $REPO:new"},
		{name: "sign --storage both", line: "sign --storage both --key $DIR/c.key $IMAGE", writes: true, adds: true, then: "verify --key $DIR/c.pub $IMAGE"},
		{name: "sign --as image", line: "sign --as image --key $DIR/c.key $BARE", writes: true, then: "verify --key $DIR/c.pub $BARE"},
		{name: "migrate", line: "migrate --to referrers $IMAGE", writes: true, then: "verify --key $DIR/a.pub --sbom $IMAGE"},
		{name: "copy", line: "copy $IMAGE $COPY", writes: true, then: "verify --key $DIR/a.pub --sbom $COPY"},
		{name: "pack", line: "pack -o $OUT/image.tar $IMAGE", then: "verify --key $DIR/a.pub --sbom oci:$OUT/image.tar:v1"},
		{name: "clean", line: "clean --key $DIR/b.pub $IMAGE", writes: true, takes: true, then: "verify --key $DIR/a.pub --sbom $IMAGE",
			refuses: "verify --key $DIR/b.pub $IMAGE", prints: "removed: signature"},
		{name: "repair", line: "repair $IMAGE", writes: true, mends: true, then: "verify --key $DIR/a.pub --key $DIR/b.pub --threshold 2 $IMAGE",
			prints: "shown again: signature"},
		{name: "doctor", line: "doctor $REPO", writes: true},
		{name: "verify", line: "verify --key $DIR/a.pub --sbom $IMAGE"},
		{name: "get-sbom", line: "get sbom --key $DIR/a.pub -o $OUT/sbom.json $IMAGE"},
		{name: "pull", line: "pull -o $OUT $REPO:files"},
		{name: "list", line: "list $IMAGE"},
		{name: "list-orphans", line: "list --orphans $REPO", prints: "gone: sha256:"},
	}
}

// matrixFiles are the documents that the verbs take.
func matrixFiles() map[string]string {
	return map[string]string{
		"custom.json": `{"a":1}`,
		"spdx.json": `{"spdxVersion":"SPDX-2.3","dataLicense":"CC0-1.0","SPDXID":"SPDXRef-DOCUMENT","name":"matrix",` +
			`"documentNamespace":"https://example.com/spdx/matrix","creationInfo":{"created":"2024-01-01T00:00:00Z","creators":["Tool: matrix-1"]},` +
			`"packages":[{"SPDXID":"SPDXRef-a","name":"a","versionInfo":"1","downloadLocation":"NOASSERTION"}],` +
			`"relationships":[{"spdxElementId":"SPDXRef-DOCUMENT","relationshipType":"DESCRIBES","relatedSpdxElement":"SPDXRef-a"}]}`,
	}
}

// timeoutOf returns how long a command may take: little where a registry sends
// so slowly that it would take minutes.
func timeoutOf(c storetest.Case) string {
	if strings.Contains(c.Name(), "1 bytes per") {
		return "3s"
	}
	return "3m" // the machine may be busy
}

// An exception is a cell, or some, in which a verb does not simply work.
type exception struct {
	on    string // regular expression for the whole name of the registry
	verbs string // names of verbs, "writers", "attachers" or "*", with ", " between
	code  int
	says  string // what is printed
	why   string // for people
}

// exceptions returns all of them; of two for a cell the later one holds.
func exceptions() []exception {
	return []exception{
		{`referrers answered (429|500)`, "attachers, sign --as image, countersign, migrate, copy, clean, repair, list-orphans", 2, "list referrers:",
			"The registry may serve referrers or not. A writer that guessed could keep its journal where others do not look."},
		{`referrers answered (429|500)`, "list, pack", 2, "",
			"There may be referrers that the registry does not show now."},
		{`referrers answered (403|200 with .*)`, "list, migrate, copy, pack, clean", 2, "odd answer of the referrers API",
			"What answers is no list and no plain no, so there may be referrers."},
		{`.*overwrite refused with.*`, "seal, sign, attest, attach-sbom", 0, "may not be written again",
			"The entry is in the journal, which hallmark reads, and the command says that cosign's tag does not show it."},
		{`.*overwrite refused with.*`, "clean, repair", 2, "may not be written again",
			"What cosign's tag shows cannot be changed, and the command says so: it lacks what repair would add, and what clean removes still verifies."},
		{`referrers API, tags like .* collected`, "list-orphans", 0, "no orphans", "The registry deletes orphans itself."},
		{`referrers API, untagged manifests collected after 0s`, "clean", 2, "write not confirmed",
			"The registry drops the mark at once, so nothing is removed."},
		{`image media types only`, "seal, sign, sign --storage both, attest, attach-sbom, countersign, copy, clean, repair", 2, "unknown media type",
			"The registry takes no manifest with the media types of cosign. With --as image it does."},
		{`image media types only`, "doctor", 0, "--as image", "doctor says that attaching works with --as image, and that cosign does not read it."},
		{`docker media types answered 415`, "copy", 2, "415 Unsupported Media Type", "The image has docker's media types, and is not changed on the way."},
		{`tag pages that lead to themselves`, "copy", 2, "is said to be followed by itself",
			"A list that leads in circles may lack something. Where tags behind what is sought are listed, it does not matter."},
		{`tag pages without end`, "migrate, copy, pack", 2, "more than 200 pages",
			"A list without end is not read to its end."},
		{`tag pages without end`, "clean, repair, list-orphans", 2, "more than 200 pages",
			"A list without end is not read to its end."},
		{`tag pages without end`, "list", 2, "more than 200 pages",
			"A list without end is not read to its end."},
		{`tag pages without end`, "attachers, countersign", 0, "more than 200 pages",
			"The command works without the list and says so."},
		{`403 DENIED on /tags/list`, "doctor", 1, "", "doctor says what does not work."},
		{`403 DENIED on /tags/list`, "list, migrate, copy, pack, clean, repair, list-orphans", 2, "403 Forbidden",
			"The journal cannot be listed, so there may be more."},
		{`403 DENIED on /tags/list`, "attachers, countersign", 0, "cannot be listed",
			"The command works without the list and says so."},
		{`tag reads stale for .*`, "attachers, countersign", 0, "did not come to rest",
			"The entry is in the journal; that cosign's tag shows it cannot be seen for minutes, and the command says so."},
		{`tag reads stale for .*`, "clean, repair", 2, "did not come to rest",
			"What was written cannot be seen for minutes, and the command says so."},
		{`(tag reads stale for .*|tag lists stale for .*)`, "copy", 2, "not everything arrived",
			"copy reads back what it wrote. Here it does not see it, and says so; a second run completes the copy."},
		{`tag reads stale for .*`, "seal", 2, "does not verify from the store",
			"seal reads back what it wrote. Here it sees what was there before, and says so; a second run finds all of it."},
		{`(.*, )?blobs redirected to another host that asks for credentials`, "seal, pull, copy, pack", 2, "asks for credentials",
			"The other host gets no credentials, so layers cannot be read. Attachments of ordinary size are read from the manifest alone."},
		{`body cut in half on GET .*blobs.*`, "seal, pull, copy, pack", 2, "unexpected EOF",
			"Layers cannot be read. Attachments of ordinary size are read from the manifest alone."},
		{`other bytes than the digest says on GET .*blobs.*`, "seal, pull, copy, pack", 2, "digest mismatch",
			"The layers are others than the manifest says."},
		{`every request answered 503`, "*", 2, "503", "There is no registry to be had."},
		{`every request answered 429.*`, "*", 2, "429", "There is no registry to be had."},
		{`1 bytes per .*`, "doctor", 2, "deadline exceeded", "The registry sends for longer than --timeout allows."},
		{`1 bytes per .*`, "attachers, sign --as image, countersign, verify, get-sbom, pull, list, list-orphans, migrate, copy, pack, clean, repair", 2, "no answer within 3s", "The registry sends for longer than --timeout allows."},
		{`body cut in half on /manifests/sha256-`, "attachers, sign --as image, countersign, verify, get-sbom, list, migrate, copy, pack, clean, repair", 2, "EOF",
			"The manifests of the attachments break off each time they are asked for."},
		{`other bytes than the digest says on /manifests/sha256-`, "attachers, sign --as image, list, copy, pack, clean, repair", 2, "digest mismatch",
			"The manifests of the attachments are others than their digests say."},
		{`other bytes than the digest says on /manifests/sha256-`, "verify, get-sbom", 1, "entry-digest",
			"What arrived is not what its digest says. That is a definite no."},
		{`other bytes than the digest says on /manifests/sha256-`, "countersign", 1, "no signature that could be counter-signed",
			"What arrived is not what its digest says. That is a definite no."},
		{`other bytes than the digest says on /manifests/sha256-`, "migrate", 2, "digest mismatch",
			"What arrived is not what its digest says: it is named and stays."},
		{`wrong Docker-Content-Digest`, "*", 2, "digest mismatch",
			"The registry says of each manifest that it is another one. What it sends is refused."},
		{`wrong Docker-Content-Digest`, "list-orphans", 0, "", ""},
		{`wrong Docker-Content-Digest`, "verify", 1, "subject-digest",
			"What arrived is not what the registry says that it is. That is a definite no."},
		{`wrong Docker-Content-Digest`, "doctor", 1, "hallmark attaches nothing and accepts nothing there", "doctor says what does not work."},
		{`503 UNAVAILABLE on .*PUT.*`, "writers", 2, "503 Service Unavailable", "The registry takes no manifest."},
		{`other credentials wanted`, "*", 2, "401 Unauthorized", "The registry does not know the user."},
		{`tokens from another host by http`, "*", 2, "sends for a token to auth.example.com by http",
			"Credentials are not sent to another host in the clear."},
	}
}

const matrixPreface = `# What works on which registry

Written by ` + "`go test ./cmd/hallmark -run TestMatrix -update`" + ` and checked by every test run: each command on a registry with
each of the oddities that real registries were seen to have. The image is sealed with one key and signed with another
before, and the signature of another image is there that is gone. Before repair, another tool wrote over the tag for
signatures; clean removes the second. After each command a client without the oddity finds all else that was attached before. "works" is exit code 0;
exit code 2 says that no answer could be had, and why; exit code 1 is a definite no.

`
