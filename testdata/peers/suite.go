package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hallmark-oci/hallmark/testdata/lab"
)

// suite holds the programs and the files they work on.
type suite struct {
	dir               string
	hallmark, cosign2 lab.Command
	writers, rounds   int
}

func newSuite(ctx context.Context, hallmark, cache string, keys int) (*suite, error) {
	abs, err := filepath.Abs(hallmark)
	if err != nil {
		return nil, err
	}
	cosign, err := lab.Peer(ctx, cache, "cosign2")
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "hallmark-peers-")
	if err != nil {
		return nil, err
	}
	env := []string{"HOME=" + dir, "TUF_ROOT=" + filepath.Join(dir, "tuf"), "COSIGN_PASSWORD="}
	s := &suite{
		dir:      dir,
		hallmark: lab.Command{Path: abs, Dir: dir, Env: env},
		cosign2:  lab.Command{Path: cosign, Dir: dir, Env: env},
	}
	for name, text := range map[string]string{
		"custom.json": `{"a":1}`,
		"spdx.json": `{"spdxVersion":"SPDX-2.3","dataLicense":"CC0-1.0","SPDXID":"SPDXRef-DOCUMENT","name":"peers",` +
			`"documentNamespace":"https://example.com/spdx/peers","creationInfo":{"created":"2024-01-01T00:00:00Z","creators":["Tool: peers-1"]},` +
			`"packages":[{"SPDXID":"SPDXRef-a","name":"a","versionInfo":"1","downloadLocation":"NOASSERTION"}],` +
			`"relationships":[{"spdxElementId":"SPDXRef-DOCUMENT","relationshipType":"DESCRIBES","relatedSpdxElement":"SPDXRef-a"}]}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	if _, err := s.hallmark.Must(ctx, "key", "generate", "-o", "cosign.key"); err != nil {
		return nil, err
	}
	for i := range keys {
		if _, err := s.hallmark.Must(ctx, "key", "generate", "--key-format", "pkcs8", "-o", fmt.Sprintf("k%d.key", i)); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// An exchange is a verb at work: one registry, one repository of its own.
type exchange struct {
	*suite
	ctx  context.Context
	srv  server
	reg  *lab.Registry
	repo string
}

// measure runs all verbs on one registry and returns a cell for each.
func (s *suite) measure(ctx context.Context, srv server, cache string) ([]string, error) {
	cells := make([]string, len(verbs()))
	reg, err := srv.start(ctx, cache)
	if err != nil {
		for i := range cells {
			cells[i] = "no registry"
		}
		return cells, fmt.Errorf("%s: %w", srv.name, err)
	}
	defer reg.Close()
	var errs []error
	for i, v := range verbs() {
		x := &exchange{suite: s, ctx: ctx, srv: srv, reg: reg, repo: fmt.Sprintf("verb%d/app", i)}
		cells[i] = "ok"
		if err := v.run(x); err != nil {
			cells[i] = "FAILS"
			errs = append(errs, fmt.Errorf("%s on %s: %w", v.name, srv.name, err))
		}
	}
	return cells, errors.Join(errs...)
}

// do runs hallmark and demands the exit code and the texts in what it prints.
func (x *exchange) do(code int, texts []string, args ...string) (lab.Result, error) {
	return expect(x.ctx, x.hallmark, code, texts, args...)
}

func expect(ctx context.Context, c lab.Command, code int, texts []string, args ...string) (lab.Result, error) {
	r, err := c.Run(ctx, args...)
	if err != nil {
		return r, err
	}
	line := filepath.Base(c.Path) + " " + strings.Join(args, " ")
	if r.Code != code {
		return r, fmt.Errorf("%s: exit code %d, not %d\n%s", line, r.Code, code, r.Err+r.Out)
	}
	for _, text := range texts {
		if !strings.Contains(r.Out+r.Err, text) {
			return r, fmt.Errorf("%s: %q is not printed\n%s", line, text, r.Err+r.Out)
		}
	}
	return r, nil
}

// ok runs command lines of hallmark, each to exit code 0.
func (x *exchange) ok(lines ...[]string) error {
	for _, line := range lines {
		if _, err := x.do(0, nil, line...); err != nil {
			return err
		}
	}
	return nil
}

// second says what a command prints that adds to a tag which is there: where
// tags cannot be written again, that cosign's does not show it.
func (x *exchange) second() []string {
	if x.srv.keeps {
		return []string{"may not be written again"}
	}
	return nil
}

// cosign has cosign 2 verify with the key. Where the tag could not be written a
// second time, and the entry is not the first, it must refuse.
func (x *exchange) cosign(first bool, key, img string, verb ...string) error {
	args := append(append([]string{}, verb...), "--key", key, "--insecure-ignore-tlog", img)
	r, err := x.cosign2.Run(x.ctx, args...)
	if err != nil {
		return err
	}
	if want := first || !x.srv.keeps; (r.Code == 0) != want {
		return fmt.Errorf("cosign %s: exit code %d, wanted it to accept: %v\n%s", strings.Join(args, " "), r.Code, want, r.Err)
	}
	return nil
}

func words(line string, more ...string) []string { return append(strings.Fields(line), more...) }

// image pushes a fresh image and returns it by digest.
func (x *exchange) image() (string, error) { return x.reg.Push(x.repo, "v1") }

// with pushes an image and runs the commands on it, whose last argument it is.
func (x *exchange) with(lines ...string) (string, error) {
	img, err := x.image()
	for i := 0; i < len(lines) && err == nil; i++ {
		err = x.ok(words(lines[i], img))
	}
	return img, err
}

// race has many processes sign one image at once, each with a key of its own.
// Every one of them must verify afterwards, with cosign 2 too.
func race(x *exchange) error {
	x.reg.Delay(20 * time.Millisecond)
	defer x.reg.Delay(0)
	for round := range x.rounds {
		img, err := x.reg.Push(x.repo, fmt.Sprintf("v%d", round))
		if err != nil {
			return err
		}
		err = lab.Parallel(x.writers, x.writers, func(i int) error {
			return x.ok(words(fmt.Sprintf("sign --key k%d.key", i), img))
		})
		if err != nil {
			return err
		}
		x.reg.Delay(0)
		err = lab.Parallel(x.writers, 4, func(i int) error {
			pub := fmt.Sprintf("k%d.pub", i)
			if err := x.ok(words("verify --key "+pub, img)); err != nil || x.srv.keeps {
				return err
			}
			return x.cosign(true, pub, img, "verify")
		})
		if err != nil {
			return err
		}
		x.reg.Delay(20 * time.Millisecond)
	}
	return nil
}
