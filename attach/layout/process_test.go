//go:build linux

package layout

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	ggcr "github.com/google/go-containerregistry/pkg/v1/layout"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/storetest"
)

// childVar tells this test binary to be a writer instead of running tests.
const childVar = "HALLMARK_LAYOUT_WRITER"

// TestMain runs the tests, or one of the writers that the tests start.
func TestMain(m *testing.M) {
	job := os.Getenv(childVar)
	if job == "" {
		os.Exit(m.Run())
	}
	if err := work(context.Background(), job, os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// work is what a writer does.
func work(ctx context.Context, job, dir string, args []string) error {
	s, err := Open(dir, Options{})
	if err != nil {
		return err
	}
	sub, err := s.Resolve(ctx, "v1")
	if err != nil {
		return err
	}
	write := func(note string) error {
		_, err := s.Put(ctx, attach.Parcel{Subject: sub, Content: storetest.NewSignature(sub, note)})
		return err
	}
	switch job {
	case "once": // when stdin ends, put one entry
		if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
			return err
		}
		return write(args[0])
	case "on": // put entries until killed, and tell each that is in
		for i := 0; ; i++ {
			note := fmt.Sprintf("%s.%d", args[0], i)
			if err := write(note); err != nil {
				return err
			}
			fmt.Println(note)
		}
	case "full": // put with files that may not grow beyond each limit
		return fillUp(args, write)
	}
	return fmt.Errorf("no job %q", job)
}

// writer starts this binary as a writer.
func writer(t *testing.T, job, dir string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, append([]string{dir}, args...)...)
	cmd.Env = append(os.Environ(), childVar+"="+job)
	return cmd
}

// TestManyProcesses has 200 processes put one entry each, all at once.
func TestManyProcesses(t *testing.T) {
	n := 200
	if testing.Short() {
		n = 40
		t.Log("-short: 40 processes")
	}
	s := create(t)
	sub := putRandom(t, s, "v1")
	gate, open, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer gate.Close()
	cmds := make([]*exec.Cmd, n)
	outputs := make([]bytes.Buffer, n)
	for i := range cmds {
		cmds[i] = writer(t, "once", path(s), fmt.Sprint(i))
		cmds[i].Stdin, cmds[i].Stderr = gate, &outputs[i]
		if err := cmds[i].Start(); err != nil {
			t.Fatal(err)
		}
	}
	start := time.Now()
	open.Close()
	for i, cmd := range cmds {
		if err := cmd.Wait(); err != nil {
			t.Errorf("writer %d: %v: %s", i, err, &outputs[i])
		}
	}
	t.Logf("%d processes took %v", n, time.Since(start))
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprint(i)
	}
	survive(t, s, sub, all)
	for _, a := range entries(t, s, sub) {
		if _, ok := a.Found(attach.CosignTag); !ok {
			t.Errorf("%s is not in the view", a.ID())
		}
	}
	readWhole(t, s)
}

// TestKill kills writers at random moments. What they told to be in is in, the
// layout is whole and the next writer need not wait.
func TestKill(t *testing.T) {
	s := create(t)
	sub := putRandom(t, s, "v1")
	var told []string
	for round := range 12 {
		var wg sync.WaitGroup
		lines := make([][]string, 2)
		for i := range lines {
			cmd := writer(t, "on", path(s), fmt.Sprintf("%d.%d", round, i))
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			wg.Go(func() {
				defer cmd.Wait()
				scan := bufio.NewScanner(out)
				for scan.Scan() {
					lines[i] = append(lines[i], scan.Text())
					if len(lines[i]) == 1 {
						time.AfterFunc(time.Duration(rand.Int64N(int64(60*time.Millisecond))), func() { cmd.Process.Kill() })
					}
				}
			})
		}
		wg.Wait()
		told = append(told, slices.Concat(lines...)...)
		readWhole(t, s)
		survive(t, s, sub, told)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	last := storetest.NewSignature(sub, "last")
	if r, err := s.Put(ctx, attach.Parcel{Subject: sub, Content: last}); err != nil || !r[0].Viewed {
		t.Fatalf("after the last kill: %+v, %v", r, err)
	}
	for _, a := range entries(t, s, sub) {
		if _, ok := a.Found(attach.CosignTag); !ok {
			t.Errorf("%s is not in the view", a.ID())
		}
	}
	if names := list(t, filepath.Join(path(s), ours)); !slices.Equal(names, []string{"lock"}) {
		t.Errorf("unfinished files were left: %v", names)
	}
	t.Logf("%d entries by killed writers", len(told))
}

func entries(t *testing.T, s *Store, sub attach.Subject) map[attach.ID]attach.Attachment {
	t.Helper()
	all, errs := attach.Collect(t.Context(), s, sub)
	for _, err := range errs {
		t.Error(err)
	}
	byID := make(map[attach.ID]attach.Attachment)
	for _, a := range all {
		byID[a.ID()] = a
	}
	return byID
}

// survive checks that the signatures with the notes are there and readable.
func survive(t *testing.T, s *Store, sub attach.Subject, notes []string) {
	t.Helper()
	got := entries(t, s, sub)
	lost := 0
	for _, note := range notes {
		a, ok := got[storetest.NewSignature(sub, note).ID()]
		if !ok {
			lost++
			continue
		}
		if _, ok := a.Found(attach.Journal); !ok {
			t.Errorf("%s is not in the journal", note)
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d entries are lost", lost, len(notes))
	}
}

// readWhole has go-containerregistry read everything that index.json names.
func readWhole(t *testing.T, s *Store) {
	t.Helper()
	p, err := ggcr.FromPath(path(s))
	if err != nil {
		t.Fatal(err)
	}
	idx, err := p.ImageIndex()
	if err != nil {
		t.Fatal(err)
	}
	m, err := idx.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range m.Manifests {
		img, err := idx.Image(d.Digest)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := img.ConfigFile(); err != nil {
			t.Errorf("config of %s: %v", d.Digest, err)
		}
		raw, err := img.RawManifest()
		if err != nil || attach.DigestOf(raw) != d.Digest || int64(len(raw)) != d.Size {
			t.Errorf("manifest %s: %v", d.Digest, err)
		}
		var parts struct{ Layers []v1.Descriptor }
		if err := json.Unmarshal(raw, &parts); err != nil {
			t.Fatal(err)
		}
		for _, l := range parts.Layers {
			content, err := p.Bytes(l.Digest)
			if err != nil || attach.DigestOf(content) != l.Digest {
				t.Errorf("layer %s of %s: %v", l.Digest, d.Digest, err)
			}
		}
	}
}

// TestDiskFull puts entries while the system refuses to let files grow.
func TestDiskFull(t *testing.T) {
	s := create(t)
	sub := putRandom(t, s, "v1")
	before := storetest.NewSignature(sub, "before")
	if _, err := s.Put(t.Context(), attach.Parcel{Subject: sub, Content: before}); err != nil {
		t.Fatal(err)
	}
	limits := []string{"0", "1", "100", "250", "400", "800", "1200", "1600", "2400", "3200", "5000", "1000000"}
	out, err := writer(t, "full", path(s), limits...).Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Logf("%s", exit.Stderr)
		}
		t.Fatal(err)
	}
	results := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(results) != len(limits) {
		t.Fatalf("%d results for %d limits: %s", len(results), len(limits), out)
	}
	var told []string
	for i, r := range results {
		switch {
		case r == "ok":
			told = append(told, limits[i])
		case !strings.Contains(r, "file too large") || !strings.Contains(r, path(s)):
			t.Errorf("limit %s: the error does not say what is wrong and where: %s", limits[i], r)
		}
	}
	if len(told) == 0 || len(told) == len(limits) {
		t.Errorf("%d of %d writes worked, want some: %s", len(told), len(limits), out)
	}
	readWhole(t, s)
	survive(t, s, sub, append(told, "before"))
	after := storetest.NewSignature(sub, "after")
	if r, err := s.Put(t.Context(), attach.Parcel{Subject: sub, Content: after}); err != nil || !r[0].Viewed {
		t.Errorf("with room again: %+v, %v", r, err)
	}
	if names := list(t, filepath.Join(path(s), ours)); !slices.Equal(names, []string{"lock"}) {
		t.Errorf("unfinished files were left: %v", names)
	}
}
