package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/random"

	"github.com/hallmark-oci/hallmark/testdata/lab"
)

// race lets 16 processes sign one image at once and counts whose signature the
// same tool verifies afterwards, round by round.
func (b *bench) race(delay time.Duration) func(tool) (string, error) {
	return func(t tool) (string, error) {
		rounds := b.rounds
		if t.name != "hallmark" {
			rounds = min(rounds, 3) // each takes long, and the outcome is known
		}
		var kept []string
		for range rounds {
			n, err := b.raceOnce(t, delay)
			if err != nil {
				return "", err
			}
			kept = append(kept, fmt.Sprint(n))
		}
		return strings.Join(kept, " "), nil
	}
}

func (b *bench) raceOnce(t tool, delay time.Duration) (int, error) {
	r := lab.Memory(false)
	defer r.Close()
	img, err := r.Push("race/app", "1")
	if err != nil {
		return 0, err
	}
	r.Delay(delay)
	err = b.parallel(signersInRace, func(i int) error {
		_, err := t.cmd.Must(b.ctx, args(t.sign, "--key", fmt.Sprintf("k%d.key", i), img)...)
		return err
	})
	if err != nil {
		return 0, err
	}
	r.Delay(0)
	kept := 0
	for i := range signersInRace {
		res, err := t.cmd.Run(b.ctx, args(t.verify, "--key", fmt.Sprintf("k%d.pub", i), img)...)
		if err != nil {
			return 0, err
		}
		if res.Code == 0 {
			kept++
		}
	}
	return kept, nil
}

// parallel runs n jobs at once and returns the first error.
func (b *bench) parallel(n int, job func(int) error) error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = job(i) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// layout lets 200 processes sign one image in one OCI layout directory. Each
// signs with an annotation of its own, so that there are 200 signatures.
func (b *bench) layout(t tool) (string, error) {
	if t.name != "hallmark" {
		return "cannot", nil
	}
	dir := filepath.Join(b.dir, "race-layout")
	img, err := random.Image(512, 1)
	if err != nil {
		return "", err
	}
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		return "", err
	}
	if err := path.AppendImage(img, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": "1"})); err != nil {
		return "", err
	}
	if _, err := t.cmd.Must(b.ctx, "key", "import", "k0.key", "--key-format", "pkcs8", "-o", "plain.key"); err != nil {
		return "", err
	}
	const n = 200
	err = b.parallel(n, func(i int) error {
		_, err := t.cmd.Must(b.ctx, args(t.sign, "--key", "plain.key", "-a", fmt.Sprintf("n=%d", i), "oci:"+dir+":1")...)
		return err
	})
	if err != nil {
		return "", err
	}
	kept := 0
	for i := range n {
		r, err := t.cmd.Run(b.ctx, args(t.verify, "--key", "k0.pub", "-a", fmt.Sprintf("n=%d", i), "oci:"+dir+":1")...)
		if err != nil {
			return "", err
		}
		if r.Code == 0 {
			kept++
		}
	}
	return fmt.Sprintf("%d of %d", kept, n), nil
}

// signRequests counts the requests of a first and of a second signature.
func (b *bench) signRequests(start func() (*lab.Registry, error)) func(tool) (string, error) {
	return func(t tool) (string, error) {
		r, err := start()
		if err != nil {
			return "", err
		}
		defer r.Close()
		img, err := r.Push("requests/app", "1")
		if err != nil {
			return "", err
		}
		var counts []string
		for i := range 2 {
			r.Reset()
			if _, err := t.cmd.Must(b.ctx, args(t.sign, "--key", fmt.Sprintf("k%d.key", i), img)...); err != nil {
				return "", err
			}
			counts = append(counts, fmt.Sprint(r.Requests()))
		}
		return strings.Join(counts, " / "), nil
	}
}

// verifyRequests counts the requests of a verification by digest.
func (b *bench) verifyRequests(t tool) (string, error) {
	r := lab.Memory(false)
	defer r.Close()
	img, err := r.Push("requests/app", "1")
	if err != nil {
		return "", err
	}
	var counts []string
	for i := range 20 {
		if _, err := t.cmd.Must(b.ctx, args(t.sign, "--key", fmt.Sprintf("k%d.key", i), img)...); err != nil {
			return "", err
		}
		if i != 2 && i != 19 {
			continue
		}
		r.Reset()
		if _, err := t.cmd.Must(b.ctx, args(t.verify, "--key", "k0.pub", img)...); err != nil {
			return "", err
		}
		counts = append(counts, fmt.Sprint(r.Requests()))
	}
	return strings.Join(counts, " / "), nil
}

func (b *bench) recursive(t tool) (string, error) {
	r := lab.Memory(false)
	defer r.Close()
	img, err := r.PushIndex("recursive/app", "1", 6)
	if err != nil {
		return "", err
	}
	r.Reset()
	res, err := t.cmd.Must(b.ctx, args(t.sign, "--key", "k0.key", "-r", img)...)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d, %s", r.Requests(), cost(res)), nil
}

func (b *bench) cost(line ...string) func(tool) (string, error) {
	return func(t tool) (string, error) {
		r, err := b.median(15, t, line...)
		return cost(r), err
	}
}

func (b *bench) verifyCost(t tool) (string, error) {
	r := lab.Memory(false)
	defer r.Close()
	img, err := r.Push("cost/app", "1")
	if err != nil {
		return "", err
	}
	if _, err := t.cmd.Must(b.ctx, args(t.sign, "--key", "k0.key", img)...); err != nil {
		return "", err
	}
	res, err := b.median(15, t, args(t.verify, "--key", "k0.pub", img)...)
	return cost(res), err
}

// large attests an SPDX document of 77 MB and verifies the attestation.
func (b *bench) large(t tool) (string, error) {
	file := filepath.Join(b.dir, "large.spdx.json")
	if err := writeSPDX(file, 77_000_000); err != nil {
		return "", err
	}
	// A registry in a process of its own: the memory of this one would count as
	// the child's until the child has started.
	r, err := b.distribution(b.cache)()
	if err != nil {
		return "", err
	}
	defer r.Close()
	img, err := r.Push("large/app", "1")
	if err != nil {
		return "", err
	}
	large := t
	large.cmd.Env = append(append([]string(nil), t.cmd.Env...), "COSIGN_MAX_ATTACHMENT_SIZE=1GB")
	if _, err := large.cmd.Must(b.ctx, args(t.attest, "--key", "k0.key", "--type", "spdxjson", "--predicate", file, img)...); err != nil {
		return "", err
	}
	res, err := b.median(3, large, args(t.verifyAttestation, "--key", "k0.pub", "--type", "spdxjson", img)...)
	return cost(res), err
}

// writeSPDX writes an SPDX document of about size bytes, once.
func writeSPDX(path string, size int64) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	n, _ := fmt.Fprint(w, `{"spdxVersion":"SPDX-2.3","dataLicense":"CC0-1.0","SPDXID":"SPDXRef-DOCUMENT","name":"large","documentNamespace":"https://example.com/large","creationInfo":{"created":"2024-01-01T00:00:00Z","creators":["Tool: bench-1"]},"packages":[`)
	for i := 0; int64(n) < size; i++ {
		comma := ","
		if i == 0 {
			comma = ""
		}
		m, _ := fmt.Fprintf(w, `%s{"SPDXID":"SPDXRef-p%d","name":"package-%d","versionInfo":"1.%d.0","downloadLocation":"NOASSERTION","filesAnalyzed":false,"licenseConcluded":"NOASSERTION","licenseDeclared":"MIT","copyrightText":"NOASSERTION","externalRefs":[{"referenceCategory":"PACKAGE-MANAGER","referenceType":"purl","referenceLocator":"pkg:npm/package-%d@1.%d.0"}]}`, comma, i, i, i, i, i)
		n += m
	}
	fmt.Fprint(w, `],"relationships":[{"spdxElementId":"SPDXRef-DOCUMENT","relationshipType":"DESCRIBES","relatedSpdxElement":"SPDXRef-p0"}]}`)
	if err := w.Flush(); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

func (b *bench) size(t tool) (string, error) {
	info, err := os.Stat(t.cmd.Path)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%.1f MB", float64(info.Size())/1e6), nil
}
