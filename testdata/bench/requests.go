package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/hallmark-oci/hallmark/testdata/lab"
)

// attachRequests counts the requests to attach one small document, to a registry
// with the referrers API and to two without. Cosign and hallmark attach an SBOM,
// the others a file.
func (b *bench) attachRequests(t tool) (string, error) {
	var counts []string
	for i, start := range []func() (*lab.Registry, error){
		func() (*lab.Registry, error) { return lab.Memory(true), nil },
		func() (*lab.Registry, error) { return lab.Memory(false), nil },
		b.distribution(b.cache),
	} {
		r, err := start()
		if err != nil {
			return "", err
		}
		img, err := r.Push("attach/app", "v1")
		if err != nil {
			return "", err
		}
		r.Reset()
		line := []string{"attach", "sbom", "--sbom", b.sbomFile(), "--type", "spdx", "--input-format", "json", img}
		switch {
		case t.name == "hallmark" && i == 0:
			line = []string{"attach", "artifact", img, b.sbomFile(), "--type", "application/spdx+json", "--as", "artifact"}
		case t.name == "hallmark":
			line = []string{"attach", "sbom", img, b.sbomFile()}
		case !t.signs():
			line = t.put(0, img)
		}
		if _, err := t.cmd.Must(b.ctx, line...); err != nil {
			return "", err
		}
		counts = append(counts, fmt.Sprint(r.Requests()))
		r.Close()
	}
	return strings.Join(counts, " / "), nil
}

// refusalRequests counts the requests to accept and to refuse an image by tag.
func (b *bench) refusalRequests(t tool) (string, error) {
	r := lab.Memory(false)
	defer r.Close()
	img, err := r.Push("refuse/app", "v1")
	if err != nil {
		return "", err
	}
	if _, err := t.cmd.Must(b.ctx, args(t.sign, "--key", "k0.key", img)...); err != nil {
		return "", err
	}
	tagged := r.Host + "/refuse/app:v1"
	var counts []string
	for key, accept := range []bool{true, false} {
		r.Reset()
		res, err := t.cmd.Run(b.ctx, args(t.verify, "--key", fmt.Sprintf("k%d.pub", key), tagged)...)
		if err != nil {
			return "", err
		}
		if (res.Code == 0) != accept {
			return "", fmt.Errorf("verify with key %d: exit code %d\n%s", key, res.Code, res.Err)
		}
		counts = append(counts, fmt.Sprint(r.Requests()))
	}
	return strings.Join(counts, " / "), nil
}

// A crowdedRepo is a repository of many tags: images, and for each of them the
// signature as cosign's tag and as hallmark's journal.
type crowdedRepo struct {
	reg  *lab.Registry
	repo string
	last string // one of the images, by digest
}

// fill makes a repository of so many tags, all of them images with one config
// and one layer that differ in an annotation.
func (b *bench) fill(images int) (*crowdedRepo, error) {
	r := lab.Memory(false)
	img, err := r.Push("crowded/app", "v0")
	if err != nil {
		return nil, err
	}
	ref, err := name.NewDigest(img)
	if err != nil {
		return nil, err
	}
	got, err := remote.Get(ref)
	if err != nil {
		return nil, err
	}
	var m map[string]any
	if err := json.Unmarshal(got.Manifest, &m); err != nil {
		return nil, err
	}
	c := &crowdedRepo{reg: r, repo: r.Host + "/crowded/app", last: img}
	for i := 1; i < images; i++ {
		m["annotations"] = map[string]string{"n": fmt.Sprint(i)}
		raw, err := json.Marshal(m)
		if err != nil {
			return nil, err
		}
		if err := putManifest(r.Host, "crowded/app", fmt.Sprintf("v%d", i), string(got.MediaType), raw); err != nil {
			return nil, err
		}
		c.last = fmt.Sprintf("%s@sha256:%x", c.repo, sha256.Sum256(raw))
	}
	return c, nil
}

func putManifest(host, repo, tag, mediaType string, raw []byte) error {
	req, err := http.NewRequest(http.MethodPut, "http://"+host+"/v2/"+repo+"/manifests/"+tag, bytes.NewReader(raw))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", mediaType)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 1000))
	if resp.StatusCode != http.StatusCreated {
		return fmt.Errorf("put %s: %s %s", tag, resp.Status, text)
	}
	return nil
}

// listOne lists what hangs from one image of a large repository.
func (b *bench) listOne(t tool) (string, error) {
	c, err := b.fill(b.crowd.tags)
	if err != nil {
		return "", err
	}
	defer c.reg.Close()
	var line []string
	switch t.name {
	case "hallmark":
		line = []string{"list", c.last}
	case "oras":
		line = []string{"discover", "--plain-http", c.last}
	case "regctl":
		line = []string{"--host", plain(c.last), "artifact", "list", "--digest-tags", c.last}
	default:
		line = []string{"tree", c.last}
	}
	w := b.hallmark()
	if _, err := w.cmd.Must(b.ctx, args(w.sign, "--key", "p0.key", c.last)...); err != nil {
		return "", err
	}
	c.reg.Reset()
	res, err := t.cmd.Must(b.ctx, line...)
	if err != nil {
		return "", err
	}
	pages := 0
	for _, req := range c.reg.Log() {
		if strings.Contains(req, "/tags/list") {
			pages++
		}
	}
	return fmt.Sprintf("%d (%d of them list tags), %d ms", c.reg.Requests(), pages, res.Wall.Milliseconds()), nil
}

// audit verifies all images of a repository, a third of whose tags are images,
// each with a signature and its journal entry.
func (b *bench) audit(t tool) (string, error) {
	if t.name != "hallmark" {
		return "-", nil
	}
	images := b.crowd.tags / 3
	c, err := b.fill(images)
	if err != nil {
		return "", err
	}
	defer c.reg.Close()
	if _, err := t.cmd.Must(b.ctx, "sign", "--key", "p0.key", "--repository", c.repo, "--timeout", "5m"); err != nil {
		return "", err
	}
	c.reg.Reset()
	start := time.Now()
	res, err := t.cmd.Must(b.ctx, "verify", "--key", "p0.pub", "--repository", c.repo)
	if err != nil {
		return "", err
	}
	if n := strings.Count(res.Out, ": accept\n"); n != images {
		return "", fmt.Errorf("%d of %d images accepted\n%.1000s", n, images, res.Out)
	}
	fmt.Fprintf(os.Stderr, "audit of %d images: %v, %d requests\n", images, time.Since(start).Round(time.Millisecond), c.reg.Requests())
	return fmt.Sprintf("%.1f s, %d MB", res.Wall.Seconds(), res.RSS>>20), nil
}

// copyRequests counts the requests to copy an image with a signature and an SBOM
// to another repository of the same registry, and to another registry: in memory,
// and on distribution.
func (b *bench) copyRequests(t tool) (string, error) {
	memory := func() (*lab.Registry, error) { return lab.Memory(false), nil }
	var kinds []string
	for _, start := range []func() (*lab.Registry, error){memory, b.distribution(b.cache)} {
		from, err := start()
		if err != nil {
			return "", err
		}
		defer from.Close()
		other, err := start()
		if err != nil {
			return "", err
		}
		defer other.Close()
		counts, err := b.copyBetween(t, from, other)
		if err != nil {
			return "", err
		}
		kinds = append(kinds, counts)
	}
	return strings.Join(kinds, "; "), nil
}

// copyBetween counts the requests to copy within the one registry, and to the other.
func (b *bench) copyBetween(t tool, from, other *lab.Registry) (string, error) {
	img, err := from.Push("copy/app", "v1")
	if err != nil {
		return "", err
	}
	w := b.hallmark()
	if _, err := w.cmd.Must(b.ctx, args(w.sign, "--key", "p0.key", img)...); err != nil {
		return "", err
	}
	if _, err := w.cmd.Must(b.ctx, "attach", "sbom", img, b.sbomFile()); err != nil {
		return "", err
	}
	src := from.Host + "/copy/app:v1"
	var counts []string
	for _, to := range []*lab.Registry{from, other} {
		dst := to.Host + "/copied/app:v1"
		var line []string
		switch t.name {
		case "oras":
			line = []string{"cp", "-r", "--from-plain-http", "--to-plain-http", src, dst}
		case "regctl":
			line = []string{"--host", plain(src), "--host", plain(dst), "image", "copy", "--digest-tags", "--referrers", src, dst}
		default:
			line = []string{"copy", src, dst}
		}
		from.Reset()
		other.Reset()
		if _, err := t.cmd.Must(b.ctx, line...); err != nil {
			return "", err
		}
		n := from.Requests() + other.Requests()
		text := fmt.Sprint(n)
		if res, err := w.cmd.Run(b.ctx, args(w.verify, "--key", "p0.pub", dst)...); err != nil {
			return "", err
		} else if res.Code != 0 {
			text += " (without the signature)"
		}
		counts = append(counts, text)
	}
	return strings.Join(counts, " / "), nil
}

// bundleRequests counts the requests to sign with a bundle among the referrers,
// where the registry serves them.
func (b *bench) bundleRequests(t tool) (string, error) {
	line := args(t.sign, "--key", "k0.key")
	switch t.name {
	case "hallmark":
		line = append(line, "--storage", "referrers")
	case "cosign2":
		return "-", nil
	}
	r := lab.Memory(true)
	defer r.Close()
	img, err := r.Push("bundle/app", "v1")
	if err != nil {
		return "", err
	}
	r.Reset()
	if _, err := t.cmd.Must(b.ctx, append(line, img)...); err != nil {
		return "", err
	}
	return fmt.Sprint(r.Requests()), nil
}
