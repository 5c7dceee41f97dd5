package inflate

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/hallmark-oci/hallmark/attach"
)

const window = 8 << 20

// hello is "hello" as a zstd frame by the letter of RFC 8878: the magic number, a header
// that tells a single segment of five bytes (section 3.1.1.1), and one last raw block.
const hello = "\x28\xb5\x2f\xfd\x20\x05\x29\x00\x00hello"

func zipped(t testing.TB, content string) string {
	t.Helper()
	var buf bytes.Buffer
	zw := gzip.NewWriter(&buf)
	if _, err := io.WriteString(zw, content); err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

func read(blob io.Reader) (string, error) {
	rc, err := Reader(blob, window)
	if err != nil {
		return "", err
	}
	raw, err := io.ReadAll(rc)
	return string(raw), errors.Join(err, rc.Close())
}

// TestReader tells the compression by what is there.
func TestReader(t *testing.T) {
	gz := zipped(t, "hello")
	for name, tt := range map[string]struct{ blob, want string }{
		"nothing":         {"", ""},
		"plain":           {"hello", "hello"},
		"short":           {"he", "he"},
		"gzip":            {gz, "hello"},
		"gzip, members":   {gz + gz, "hellohello"}, // RFC 1952, section 2.2
		"zstd":            {hello, "hello"},
		"zstd, frames":    {hello + hello, "hellohello"},
		"zstd, skippable": {"\x5a\x2a\x4d\x18\x01\x00\x00\x00x" + hello, "hello"},
	} {
		for kind, blob := range map[string]io.Reader{"whole": strings.NewReader(tt.blob), "byte by byte": iotest.OneByteReader(strings.NewReader(tt.blob))} {
			if got, err := read(blob); err != nil || got != tt.want {
				t.Errorf("%s, %s: %q, %v", name, kind, got, err)
			}
		}
	}
}

// TestRefusals tells what is broken from what did not arrive, and what is too much.
func TestRefusals(t *testing.T) {
	gz := zipped(t, "hello")
	late := errors.New("the connection broke")
	broken := func(s string) io.Reader { return io.MultiReader(strings.NewReader(s), iotest.ErrReader(late)) }
	for name, tt := range map[string]struct {
		blob io.Reader
		want error
	}{
		"gzip cut off":        {strings.NewReader(gz[:len(gz)-3]), attach.ErrMalformed},
		"gzip header cut off": {strings.NewReader(gz[:5]), attach.ErrMalformed},
		"gzip and more":       {strings.NewReader(gz + "more"), attach.ErrMalformed},
		"gzip of another sum": {strings.NewReader(gz[:len(gz)-8] + "12345678"), attach.ErrMalformed},
		"zstd cut off":        {strings.NewReader(hello[:len(hello)-1]), attach.ErrMalformed},
		"zstd and more":       {strings.NewReader(hello + "more"), attach.ErrMalformed},
		"zstd, reserved":      {strings.NewReader("\x28\xb5\x2f\xfd\x20\x05\x2f\x00\x00hello"), attach.ErrMalformed}, // block type 3
		"zstd window":         {strings.NewReader("\x28\xb5\x2f\xfd\x00\x70\x01\x00\x00"), attach.ErrLimit},          // 2^(10+14) bytes
		"gzip broke":          {broken(gz[:len(gz)-3]), late},
		"zstd broke":          {broken(hello[:len(hello)-1]), late},
		"plain broke":         {broken("hello"), late},
		"nothing came":        {broken(""), late},
	} {
		if got, err := read(tt.blob); !errors.Is(err, tt.want) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// TestTool reads what the zstd program wrote, see testdata/README.md.
func TestTool(t *testing.T) {
	content := strings.Repeat("what a layer is made of\n", 400_000)
	for _, level := range []string{"1", "3", "19"} {
		packed, err := os.ReadFile(filepath.Join("testdata", "layer-"+level+".zst"))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := read(bytes.NewReader(packed)); err != nil || got != content {
			t.Errorf("-%s: %d bytes, %v", level, len(got), err)
		}
		if got, err := read(bytes.NewReader(packed[:len(packed)-1])); err == nil {
			t.Errorf("-%s, without its last byte: %d bytes", level, len(got))
		}
	}
}

// FuzzReader: whatever comes, it ends, with an error that says what it is.
func FuzzReader(f *testing.F) {
	gz := zipped(f, "hello")
	for _, s := range []string{"", "hello", gz, gz[:9], hello, hello + hello, "\x5a\x2a\x4d\x18\x01\x00\x00\x00x" + hello, "\x28\xb5\x2f\xfd\x00\x70\x01\x00\x00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		rc, err := Reader(bytes.NewReader(raw), 1<<20)
		if err == nil {
			_, err = io.Copy(io.Discard, io.LimitReader(rc, 64<<20))
			rc.Close()
		}
		if err != nil && !attach.Judged(err) {
			t.Errorf("not a judgement: %v", err)
		}
	})
}
