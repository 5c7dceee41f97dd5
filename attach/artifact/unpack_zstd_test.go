package artifact

import (
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"

	"github.com/hallmark-oci/hallmark/attach"
)

// zstd is image for a layer that is compressed with zstd.
func (s *store) zstd(t testing.TB, layer []byte) v1.Hash {
	t.Helper()
	d := s.put(layer)
	d.MediaType = types.OCILayerZStd
	return s.manifest(t, string(types.OCIConfigJSON), []byte("{}"), d)
}

// rawZstd is the content as a zstd frame without compression, by the letter of RFC 8878:
// the magic number, a window of 8 MiB, and blocks of type 0 (section 3.1.1.2).
func rawZstd(content []byte) []byte {
	frame := []byte("\x28\xb5\x2f\xfd\x00\x68")
	for len(content) > 0 {
		n := min(len(content), 64<<10)
		last := 0
		if n == len(content) {
			last = 1
		}
		frame = append(frame, byte(last|n<<3), byte(n>>5), byte(n>>13))
		frame, content = append(frame, content[:n]...), content[n:]
	}
	return frame
}

// zstdBomb is the content and so many zeros behind it, as blocks of type 1: four bytes
// for 128 KiB of one value.
func zstdBomb(content []byte, zeros int) []byte {
	frame := rawZstd(content)
	const block = 128 << 10
	for range zeros / block {
		frame = append(frame, byte(1<<1|block<<3&0xff), byte(block>>5&0xff), byte(block>>13), 0)
	}
	for at := 6; ; { // the block that was the last is that no more
		n := int(frame[at])>>3 | int(frame[at+1])<<5 | int(frame[at+2])<<13
		if frame[at]&1 == 1 {
			frame[at] &^= 1
			break
		}
		at += 3 + n
	}
	frame[len(frame)-4] |= 1
	return frame
}

// TestUnpackZstd: layers that are compressed with zstd are unpacked, whatever they are
// called, and whatever made them.
func TestUnpackZstd(t *testing.T) {
	var s store
	content := archived(t, reg("a"), reg("d/b"))
	zw, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression))
	if err != nil {
		t.Fatal(err)
	}
	skipped := "\x50\x2a\x4d\x18\x03\x00\x00\x00abc" // RFC 8878, section 3.1.2
	layers := map[string]v1.Hash{
		"by the letter":     s.zstd(t, rawZstd(content)),
		"compressed":        s.zstd(t, zw.EncodeAll(content, nil)),
		"two frames":        s.zstd(t, append(rawZstd(content[:700]), zw.EncodeAll(content[700:], nil)...)),
		"indexed":           s.zstd(t, append([]byte(skipped), rawZstd(content)...)),
		"called gzip":       s.image(t, rawZstd(content)),
		"gzip, called zstd": s.zstd(t, zipped(t, content)),
	}
	docker := s.put(rawZstd(content))
	docker.MediaType = dockerZstd
	layers["Docker's name"] = s.manifest(t, string(types.DockerConfigJSON), []byte("{}"), docker)
	for name, digest := range layers {
		t.Run(name, func(t *testing.T) {
			out := t.TempDir()
			if _, err := Unpack(t.Context(), &s, attach.Subject{}, digest, Options{Dir: out}); err != nil {
				t.Fatal(err)
			}
			sameFiles(t, read(t, out), map[string]string{"a": "x", "d/": "", "d/b": "x"})
		})
	}
}
