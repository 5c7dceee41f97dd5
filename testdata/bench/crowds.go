package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hallmark-oci/hallmark/testdata/lab"
)

// server starts a registry in a process of its own.
func (b *bench) server(name string) (*lab.Registry, error) {
	return lab.Start(b.ctx, name, b.servers, "-serve", name, "-cache", b.cache)
}

// peerWriters is how many processes of another tool write at once: each is
// large, and the outcome is known.
const peerWriters = 16

// crowded has many processes write to one image of the server at once and counts
// what is there afterwards.
func (b *bench) crowded(server string) func(tool) (string, error) {
	return func(t tool) (string, error) {
		r, err := b.server(server)
		if err != nil {
			return "", err
		}
		defer r.Close()
		writers, rounds := peerWriters, 1
		if t.name == "hallmark" {
			writers, rounds = b.crowd.writers, b.crowd.rounds
		}
		kept, failed := 0, 0
		for round := range rounds {
			k, f, err := b.crowdOnce(r, t, writers, round)
			if err != nil {
				return "", err
			}
			kept, failed = kept+k, failed+f
		}
		text := fmt.Sprintf("%d of %d", kept, writers*rounds)
		if rounds > 1 {
			text += fmt.Sprintf(" (%d x %d)", writers, rounds)
		}
		if failed > 0 {
			text += fmt.Sprintf(", %d failed", failed)
		}
		return text, nil
	}
}

// crowdOnce returns how many writes are there, and how many processes said that
// they failed.
func (b *bench) crowdOnce(r *lab.Registry, t tool, writers, round int) (kept, failed int, err error) {
	img, err := r.Push("crowd/app", fmt.Sprintf("v%d", round))
	if err != nil {
		return 0, 0, err
	}
	r.Delay(20 * time.Millisecond)
	failures := make([]int, writers)
	err = lab.Parallel(writers, writers, func(i int) error {
		line := args(t.sign, "--key", b.key(t, i), img)
		if !t.signs() {
			line = t.put(i, img)
		}
		res, err := t.cmd.Run(b.ctx, line...)
		if res.Code != 0 {
			failures[i] = 1
			fmt.Fprintf(os.Stderr, "%s, writer %d on %s: exit code %d: %s\n", t.name, i, r.Name, res.Code, strings.TrimSpace(res.Err))
		}
		return err
	})
	r.Delay(0)
	for _, f := range failures {
		failed += f
	}
	if err != nil {
		return 0, 0, err
	}
	if !t.signs() {
		kept, err = t.count(writers, img)
		return kept, failed, err
	}
	by := t
	if t.name == "hallmark" {
		by = b.cosign2() // who must see all of it
	}
	kept, err = b.verified(by, t, writers, img)
	return kept, failed, err
}

// key returns the private key of the nth writer. Hallmark's are not encrypted:
// to open one would take longer than to sign.
func (b *bench) key(t tool, n int) string {
	if t.name == "hallmark" {
		return fmt.Sprintf("p%d.key", n)
	}
	return fmt.Sprintf("k%d.key", n)
}

// verified counts the writers whose signature the tool accepts.
func (b *bench) verified(by, writer tool, n int, img string) (int, error) {
	ok := make([]int, n)
	err := lab.Parallel(n, 4, func(i int) error {
		pub := strings.TrimSuffix(b.key(writer, i), ".key") + ".pub"
		res, err := by.cmd.Run(b.ctx, args(by.verify, "--key", pub, img)...)
		if res.Code == 0 {
			ok[i] = 1
		}
		return err
	})
	kept := 0
	for _, k := range ok {
		kept += k
	}
	return kept, err
}

// mixed has hallmark and cosign 2 write to one image at once. Cosign overwrites
// what it did not see; hallmark's entries are in the journal, and the next
// writer of hallmark's puts them back.
func (b *bench) mixed(t tool) (string, error) {
	if t.name != "hallmark" {
		return "-", nil
	}
	const each, rounds = 8, 5
	ours, theirs := 0, 0
	for round := range rounds {
		r := lab.Memory(false)
		img, err := r.Push("mixed/app", fmt.Sprintf("v%d", round))
		if err != nil {
			return "", err
		}
		r.Delay(20 * time.Millisecond)
		err = lab.Parallel(2*each, 2*each, func(i int) error {
			by := t
			if i%2 == 1 {
				by = b.cosign2()
			}
			_, err := by.cmd.Must(b.ctx, args(by.sign, "--key", b.key(by, i/2), img)...)
			return err
		})
		r.Delay(0)
		if err != nil {
			return "", err
		}
		if _, err := t.cmd.Must(b.ctx, args(t.sign, "--key", b.key(t, each), img)...); err != nil {
			return "", err
		}
		k, err := b.verified(b.cosign2(), t, each, img)
		if err != nil {
			return "", err
		}
		f, err := b.verified(t, b.cosign2(), each, img)
		if err != nil {
			return "", err
		}
		ours, theirs = ours+k, theirs+f
		r.Close()
	}
	return fmt.Sprintf("hallmark %d of %d, cosign %d of %d", ours, each*rounds, theirs, each*rounds), nil
}

// sampled is how many keys cosign 2 verifies where many signed: it asks for the
// payload of every signature each time.
const sampled = 12

// many has many processes sign one image, each with a key of its own, some at a
// time. Hallmark then verifies key by key, cosign 2 a sample of the keys.
func (b *bench) many(t tool) (string, error) {
	if t.name != "hallmark" {
		return "-", nil
	}
	r, err := b.distribution(b.cache)()
	if err != nil {
		return "", err
	}
	defer r.Close()
	img, err := r.Push("many/app", "v1")
	if err != nil {
		return "", err
	}
	n := b.crowd.entries
	if err := b.moreKeys(t, n); err != nil {
		return "", err
	}
	begin := time.Now()
	err = lab.Parallel(n, 24, func(i int) error {
		_, err := t.cmd.Must(b.ctx, args(t.sign, "--key", b.key(t, i), img)...)
		return err
	})
	took := time.Since(begin)
	if err != nil {
		return "", err
	}
	l, err := b.list(img)
	if err != nil {
		return "", err
	}
	kept, err := b.verified(t, t, n, img)
	if err != nil {
		return "", err
	}
	seen := 0
	every := max(n/sampled, 1)
	for i := 0; i < n; i += every {
		pub := strings.TrimSuffix(b.key(t, i), ".key") + ".pub"
		res, err := b.cosign2().cmd.Run(b.ctx, args(b.cosign2().verify, "--key", pub, img)...)
		if err != nil {
			return "", err
		}
		if res.Code == 0 {
			seen++
		}
	}
	return fmt.Sprintf("%d of %d, %d, %d of %d (signed in %d s)", l.in("journal"), n, kept, seen, (n+every-1)/every, int(took.Seconds())), nil
}

// moreKeys makes the private keys of so many writers, those that are not there.
func (b *bench) moreKeys(t tool, n int) error {
	return lab.Parallel(n, 4, func(i int) error {
		if _, err := os.Stat(filepath.Join(b.dir, b.key(t, i))); err == nil {
			return nil
		}
		_, err := t.cmd.Must(b.ctx, "key", "generate", "--key-format", "pkcs8", "-o", b.key(t, i))
		return err
	})
}

// sbomFile is where the small SBOM is.
func (b *bench) sbomFile() string { return filepath.Join(b.dir, "sbom.json") }

// crashing has many processes sign one image at once, each of which may die at
// any of its requests. After one repair all that reached the journal is under
// cosign's tag, which cosign verifies key by key.
func (b *bench) crashing(t tool) (string, error) {
	if t.name != "hallmark" {
		return "-", nil
	}
	const writers = 100
	r := lab.Memory(false)
	defer r.Close()
	img, err := r.Push("crash/app", "v1")
	if err != nil {
		return "", err
	}
	_, name, _ := strings.Cut(img, "/")
	var succeeded, dead atomic.Int64
	err = lab.Parallel(writers, writers, func(i int) error {
		host, died := r.Doomed(0.02)
		res, err := t.cmd.Run(b.ctx, args(t.sign, "--key", "p0.key", "-a", fmt.Sprintf("n=%d", i), host+"/"+name)...)
		if err != nil {
			return err
		}
		if res.Code == 0 {
			succeeded.Add(1)
		}
		if died.Load() {
			dead.Add(1)
		} else if res.Code != 0 {
			return fmt.Errorf("writer %d lives and ends with exit code %d: %s", i, res.Code, res.Err)
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	if _, err := t.cmd.Must(b.ctx, "repair", img); err != nil {
		return "", err
	}
	l, err := b.list(img)
	if err != nil {
		return "", err
	}
	res, err := b.cosign2().cmd.Must(b.ctx, args(b.cosign2().verify, "--key", "p0.pub", img)...)
	if err != nil {
		return "", err
	}
	seen := strings.Count(res.Out, `"n":"`)
	journaled := l.in("journal")
	if journaled < int(succeeded.Load()) {
		return "", fmt.Errorf("%d writers were told of success, %d entries are in the journal", succeeded.Load(), journaled)
	}
	return fmt.Sprintf("%d of %d died, %d in the journal, %d missing for cosign 2", dead.Load(), writers, journaled, journaled-seen), nil
}
