package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/hallmark-oci/hallmark/testdata/lab"
)

// smallSPDX is the SBOM that is attached.
const smallSPDX = `{"spdxVersion":"SPDX-2.3","dataLicense":"CC0-1.0","SPDXID":"SPDXRef-DOCUMENT","name":"bench",` +
	`"documentNamespace":"https://example.com/spdx/bench","creationInfo":{"created":"2024-01-01T00:00:00Z","creators":["Tool: bench-1"]},` +
	`"packages":[{"SPDXID":"SPDXRef-a","name":"a","versionInfo":"1","downloadLocation":"NOASSERTION"}],` +
	`"relationships":[{"spdxElementId":"SPDXRef-DOCUMENT","relationshipType":"DESCRIBES","relatedSpdxElement":"SPDXRef-a"}]}`

// kind is the artifact type of the nth file.
func kind(n int) string { return fmt.Sprintf("application/vnd.example.n%d", n) }

// oras attaches files.
func (b *bench) oras(env []string) (tool, error) {
	path, err := lab.Peer(b.ctx, b.cache, "oras")
	t := tool{name: "oras", cmd: lab.Command{Path: path, Dir: b.dir, Env: env}}
	t.put = func(n int, img string) []string {
		return []string{"attach", "--plain-http", "--artifact-type", kind(n), "--annotation", fmt.Sprintf("n=%d", n), img, "file.txt"}
	}
	t.count = func(n int, img string) (int, error) {
		return b.kinds(t, n, "discover", "--plain-http", "--format", "json", img)
	}
	return t, err
}

// regctl attaches files.
func (b *bench) regctl(env []string) (tool, error) {
	path, err := lab.Peer(b.ctx, b.cache, "regctl")
	t := tool{name: "regctl", cmd: lab.Command{Path: path, Dir: b.dir, Env: env}}
	t.put = func(n int, img string) []string {
		return []string{"--host", plain(img), "artifact", "put", "--artifact-type", kind(n), "--annotation", fmt.Sprintf("n=%d", n), "--subject", img, "--file", "file.txt"}
	}
	t.count = func(n int, img string) (int, error) {
		return b.kinds(t, n, "--host", plain(img), "artifact", "list", "--format", "{{json .}}", img)
	}
	return t, err
}

// plain has regctl speak plain HTTP to the host of an image.
func plain(img string) string {
	host, _, _ := strings.Cut(img, "/")
	return "reg=" + host + ",tls=disabled"
}

// kinds counts the artifact types, of the first n, that the command prints.
func (b *bench) kinds(t tool, n int, line ...string) (int, error) {
	r, err := t.cmd.Must(b.ctx, line...)
	if err != nil {
		return 0, err
	}
	kept := 0
	for i := range n {
		if strings.Contains(r.Out, `"`+kind(i)+`"`) {
			kept++
		}
	}
	return kept, nil
}

// A listing is what hallmark's list prints, as far as it is counted here.
type listing struct {
	Complete bool
	Entries  []struct {
		Kind   string
		Places []struct{ Scheme, Tag string }
	}
}

// list has hallmark list an image.
func (b *bench) list(img string) (listing, error) {
	var l listing
	r, err := b.hallmark().cmd.Must(b.ctx, "list", "-f", "json", img)
	if err == nil {
		err = json.Unmarshal([]byte(r.Out), &l)
	}
	return l, err
}

// in counts the entries that were found in the place.
func (l listing) in(scheme string) int {
	n := 0
	for _, e := range l.Entries {
		for _, p := range e.Places {
			if p.Scheme == scheme {
				n++
				break
			}
		}
	}
	return n
}

func (b *bench) hallmark() tool { return b.tools[len(b.tools)-1] }
func (b *bench) cosign2() tool  { return b.tools[0] }
