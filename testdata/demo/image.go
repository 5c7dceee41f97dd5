package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// osRelease and status are what a small Debian image holds.
const osRelease = `PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
NAME="Debian GNU/Linux"
VERSION_ID="12"
ID=debian
`

const status = `Package: libc6
Status: install ok installed
Priority: optional
Section: libs
Installed-Size: 12986
Maintainer: GNU Libc Maintainers <debian-glibc@lists.debian.org>
Architecture: amd64
Multi-Arch: same
Source: glibc
Version: 2.36-9+deb12u10
Depends: libgcc-s1
Description: GNU C Library: Shared libraries

Package: libgcc-s1
Status: install ok installed
Priority: optional
Section: libs
Maintainer: Debian GCC Maintainers <debian-gcc@lists.debian.org>
Architecture: amd64
Multi-Arch: same
Source: gcc-12
Version: 12.2.0-14+deb12u1
Depends: libc6 (>= 2.35)
Description: GCC support library

Package: busybox
Status: install ok installed
Priority: optional
Section: utils
Maintainer: Debian Install System Team <debian-boot@lists.debian.org>
Architecture: amd64
Version: 1:1.35.0-4+b3
Depends: libc6 (>= 2.34)
Description: Tiny utilities for small and embedded systems
`

// files is a layer: path and content.
type files map[string][]byte

// push builds the image and writes it. flavour makes images differ.
func (d *demo) push(ref, flavour string) error {
	binary, err := os.ReadFile(d.bin)
	if err != nil {
		return err
	}
	layers := []files{
		{"etc/os-release": []byte(osRelease), "var/lib/dpkg/status": []byte(status)},
		{"usr/bin/hallmark": binary},
		{
			"srv/app/package.json":                          []byte(`{"name":"demo-app","version":"1.0.0","dependencies":{"lodash":"4.17.11","@demo/words":"1.4.2"}}`),
			"srv/app/node_modules/lodash/package.json":      []byte(`{"name":"lodash","version":"4.17.11","license":"MIT"}`),
			"srv/app/node_modules/@demo/words/package.json": []byte(`{"name":"@demo/words","version":"1.4.2","license":"Apache-2.0"}`),
			"srv/app/flavour":                               []byte(flavour),
		},
	}
	img := v1.Image(empty.Image)
	if img, err = mutate.ConfigFile(img, &v1.ConfigFile{OS: "linux", Architecture: "amd64"}); err != nil {
		return err
	}
	for _, l := range layers {
		raw, err := l.tar()
		if err != nil {
			return err
		}
		layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(raw)), nil })
		if err != nil {
			return err
		}
		if img, err = mutate.AppendLayers(img, layer); err != nil {
			return err
		}
	}
	tag, err := name.NewTag(d.host + "/" + ref)
	if err != nil {
		return err
	}
	if err := remote.Write(tag, img); err != nil {
		return err
	}
	digest, err := img.Digest()
	fmt.Printf("pushed %s, %s\n", tag, digest)
	return err
}

func (l files) tar() ([]byte, error) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, path := range slices.Sorted(maps.Keys(l)) {
		content := l[path]
		if err := w.WriteHeader(&tar.Header{Name: path, Mode: 0o755, Size: int64(len(content)), Typeflag: tar.TypeReg}); err != nil {
			return nil, err
		}
		if _, err := w.Write(content); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return buf.Bytes(), err
}

// moveObject copies what hangs from one image under cosign's tag to another.
func (d *demo) moveObject(from, to, suffix string) error {
	src, err := d.objectTag(from, suffix)
	if err != nil {
		return err
	}
	dst, err := d.objectTag(to, suffix)
	if err != nil {
		return err
	}
	img, err := remote.Image(src)
	if err != nil {
		return err
	}
	if err := remote.Write(dst, img); err != nil {
		return err
	}
	fmt.Printf("the cheat copies %s\n  to %s\n", src, dst)
	return nil
}

// objectTag returns cosign's tag for the image that a tag names.
func (d *demo) objectTag(ref, suffix string) (name.Tag, error) {
	tag, err := name.NewTag(d.host + "/" + ref)
	if err != nil {
		return name.Tag{}, err
	}
	desc, err := remote.Head(tag)
	if err != nil {
		return name.Tag{}, err
	}
	return tag.Tag(strings.Replace(desc.Digest.String(), ":", "-", 1) + "." + suffix), nil
}
