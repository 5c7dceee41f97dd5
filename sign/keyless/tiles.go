package keyless

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/sigstore/sigstore-go/pkg/root"
	"golang.org/x/mod/sumdb/tlog"
)

// A log of version 2 gives the proof of an entry once, with the answer to the request
// that made it. What it has recorded is in its tiles (C2SP tlog-tiles), from which
// everybody can make the proof again.

// tileHeight is that of the tiles: each has 256 hashes.
const tileHeight = 8

// tiles reads the tiles of one log.
type tiles struct {
	ask func(path string) ([]byte, error)
}

// Height implements tlog.TileReader.
func (tiles) Height() int { return tileHeight }

// SaveTiles implements tlog.TileReader.
func (tiles) SaveTiles([]tlog.Tile, [][]byte) {}

// ReadTiles implements tlog.TileReader.
func (t tiles) ReadTiles(list []tlog.Tile) ([][]byte, error) {
	all := make([][]byte, len(list))
	for i, one := range list {
		raw, err := t.read(one)
		if err != nil {
			return nil, err
		}
		size := one.W * tlog.HashSize
		if len(raw) < size {
			return nil, fmt.Errorf("the tile %s has %d bytes, not %d", one.Path(), len(raw), size)
		}
		all[i] = raw[:size]
	}
	return all, nil
}

// read returns a tile, or the one that took its place when it became full.
func (t tiles) read(one tlog.Tile) ([]byte, error) {
	raw, err := t.ask(tilePath(one))
	if err != nil && one.W < 1<<tileHeight {
		one.W = 1 << tileHeight
		if full, err := t.ask(tilePath(one)); err == nil {
			return full, nil
		}
	}
	return raw, err
}

// tilePath is where a tile is: the height is not told.
func tilePath(t tlog.Tile) string {
	path := strings.Replace(t.Path(), "tile/"+strconv.Itoa(tileHeight)+"/", "tile/", 1)
	return strings.Replace(path, "tile/data/", "tile/entries/", 1)
}

// tree reads the size and the root of a checkpoint.
func tree(checkpoint string) (tlog.Tree, error) {
	lines := strings.SplitN(checkpoint, "\n", 4)
	if len(lines) < 4 {
		return tlog.Tree{}, errors.New("no checkpoint")
	}
	size, err1 := strconv.ParseInt(lines[1], 10, 64)
	top, err2 := tlog.ParseHash(lines[2])
	if err := errors.Join(err1, err2); err != nil || size < 1 || size > maxTree {
		return tlog.Tree{}, errors.New("a checkpoint without a size or a hash")
	}
	return tlog.Tree{N: size, Hash: top}, nil
}

// inTiles makes the entry that a log of version 2 has at the index. That it is of this
// signature, and that the checkpoint is signed, is verified as of a new one.
func (s *Signer) inTiles(ctx context.Context, at root.Service, index int64) (*protorekor.TransparencyLogEntry, error) {
	get := func(path string) ([]byte, error) {
		return s.client.do(ctx, call{method: http.MethodGet, url: join(at.URL, "/api/v2/"+path), accept: "*/*", ok: []int{http.StatusOK}})
	}
	checkpoint, t, err := s.published(ctx, at, index, get)
	if err != nil {
		return nil, err
	}
	log := tiles{get}
	body, err := log.entry(t, index)
	if err != nil {
		return nil, err
	}
	proof, err := tlog.ProveRecord(t.N, index, tlog.TileHashReader(t, log))
	if err == nil {
		err = tlog.CheckRecord(proof, t.N, t.Hash, index, tlog.RecordHash(body))
	}
	var r *Refusal
	switch {
	case errors.As(err, &r):
		return nil, r
	case err != nil:
		return nil, refuse(BadEntry, err, "the tiles of the log %s", bare(at.URL))
	}
	kind, err := kindOf(body)
	if err != nil {
		return nil, refuse(Malformed, err, "the entry %d of the log %s", index, bare(at.URL))
	}
	id := s.logOf(checkpoint)
	if id == nil {
		return nil, refuse(BadEntry, nil, "the checkpoint of the log %s is signed by no log of the trusted root", bare(at.URL))
	}
	hashes := make([][]byte, len(proof))
	for i, h := range proof {
		hashes[i] = h[:]
	}
	return &protorekor.TransparencyLogEntry{
		LogIndex: index, LogId: &protocommon.LogId{KeyId: id}, KindVersion: kind, CanonicalizedBody: body,
		InclusionProof: &protorekor.InclusionProof{
			LogIndex: index, TreeSize: t.N, RootHash: t.Hash[:], Hashes: hashes,
			Checkpoint: &protorekor.Checkpoint{Envelope: checkpoint},
		},
	}, nil
}

// published waits until the log signs a tree in which the entry is: it does so in
// intervals.
func (s *Signer) published(ctx context.Context, at root.Service, index int64, get func(string) ([]byte, error)) (string, tlog.Tree, error) {
	for range maxCheckpoints {
		raw, err := get("checkpoint")
		if err != nil {
			return "", tlog.Tree{}, err
		}
		t, err := tree(string(raw))
		if err != nil {
			return "", t, refuse(Malformed, err, "the checkpoint of the log %s", bare(at.URL))
		}
		if index < t.N {
			return string(raw), t, nil
		}
		if err := s.client.net.sleep(ctx, checkpointPause); err != nil {
			return "", t, refuse(Unreachable, err, "wait for a checkpoint of the log %s", bare(at.URL))
		}
	}
	return "", tlog.Tree{}, refuse(Unreachable, nil, "the log %s has the entry %d and does not publish it", bare(at.URL), index)
}

// entry returns the entry at the index: a bundle has those of one tile, each behind its
// size in two bytes.
func (t tiles) entry(of tlog.Tree, index int64) ([]byte, error) {
	one := tlog.Tile{H: tileHeight, L: -1, N: index >> tileHeight, W: 1 << tileHeight}
	if last := of.N >> tileHeight; one.N == last {
		one.W = int(of.N - last<<tileHeight)
	}
	raw, err := t.read(one)
	if err != nil {
		return nil, err
	}
	for i := int64(0); ; i++ {
		if len(raw) < 2 || len(raw)-2 < int(binary.BigEndian.Uint16(raw)) {
			return nil, refuse(Malformed, nil, "the entries %s end before the one that is wanted", tilePath(one))
		}
		end := 2 + int(binary.BigEndian.Uint16(raw))
		if i == index&(1<<tileHeight-1) {
			return raw[2:end], nil
		}
		raw = raw[end:]
	}
}

// logOf returns the identity of the trusted log that signed the checkpoint, as far as
// the hint in a signature tells (C2SP signed-note): its first four bytes.
func (s *Signer) logOf(checkpoint string) []byte {
	_, signatures, _ := strings.Cut(checkpoint, "\n\n")
	for line := range strings.Lines(signatures) {
		words := strings.Fields(line)
		if len(words) != 3 {
			continue
		}
		raw, err := base64.StdEncoding.DecodeString(words[2])
		if err != nil || len(raw) <= 4 {
			continue
		}
		for _, log := range s.trusted.RekorLogs() {
			if bytes.HasPrefix(log.ID, raw[:4]) {
				return slices.Clone(log.ID)
			}
		}
	}
	return nil
}
