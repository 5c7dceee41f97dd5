package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/cmd/hallmark/internal/report"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/verify"
)

// transport answers requests to registries.
type transport func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// status answers everything with one status and one body.
func status(code int, body string) transport {
	return func(r *http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: code, Request: r, Header: http.Header{"Content-Type": {"application/json"}},
			Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
		}, nil
	}
}

// emptyRegistry is a registry that has nothing.
func emptyRegistry(r *http.Request) (*http.Response, error) {
	if r.URL.Path == "/v2/" {
		return status(http.StatusOK, `{}`)(r)
	}
	return status(http.StatusNotFound, `{"errors":[{"code":"MANIFEST_UNKNOWN","message":"unknown"}]}`)(r)
}

// A bench is an app with fake streams and what it wrote.
type bench struct {
	*App
	out, err *bytes.Buffer
	env      map[string]string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	t.Chdir(t.TempDir())
	b := &bench{out: new(bytes.Buffer), err: new(bytes.Buffer), env: map[string]string{"HALLMARK_PASSWORD": "secret-password"}}
	b.App = &App{
		In: strings.NewReader(""), Out: b.out, Err: b.err,
		LookupEnv: func(name string) (string, bool) { v, ok := b.env[name]; return v, ok },
		Now:       func() time.Time { return time.Unix(1700000000, 0) },
		Transport: transport(emptyRegistry),
		Version:   report.Version{Version: "v1.2.3"},
	}
	return b
}

// run runs a command line on a fresh app of the same world.
func (b *bench) run(ctx context.Context, line string) int {
	b.out.Reset()
	b.err.Reset()
	app := *b.App
	app.global = globalFlags{}
	return app.Run(ctx, strings.Fields(line))
}

// keys makes a key pair in the current directory.
func (b *bench) keys(t *testing.T) {
	t.Helper()
	if code := b.run(t.Context(), "key generate --key-format pkcs8"); code != exitYes {
		t.Fatalf("key generate: %d %s", code, b.err)
	}
}

// TestExitCodes is the table from errors to exit codes.
func TestExitCodes(t *testing.T) {
	interrupted, cancel := context.WithCancelCause(t.Context())
	cancel(Interrupted())
	for name, c := range map[string]struct {
		ctx  context.Context
		err  error
		want int
	}{
		"none":                    {t.Context(), nil, 0},
		"usage":                   {t.Context(), usagef("wrong"), 64},
		"usage, wrapped":          {t.Context(), fmt.Errorf("seal: %w", usagef("wrong")), 64},
		"accepted":                {t.Context(), outcomeError(verify.Accept), 0},
		"rejected":                {t.Context(), outcomeError(verify.Reject), 1},
		"undetermined":            {t.Context(), outcomeError(verify.Undetermined), 2},
		"outcome of the future":   {t.Context(), outcomeError(verify.Outcome(9)), 2},
		"denied":                  {t.Context(), fmt.Errorf("pull: %w", attach.ErrDenied), 2},
		"not found":               {t.Context(), attach.ErrNotFound, 2},
		"unconfirmed":             {t.Context(), attach.ErrUnconfirmed, 2},
		"bad content":             {t.Context(), attach.ErrDigest, 2},
		"password":                {t.Context(), key.ErrPassword, 2},
		"file exists":             {t.Context(), fs.ErrExist, 2},
		"deadline":                {t.Context(), context.DeadlineExceeded, 2},
		"no more to say":          {t.Context(), errors.New("x"), 2},
		"words of cobra":          {t.Context(), errors.New("unknown command in a file"), 2},
		"interrupted":             {interrupted, context.Canceled, 130},
		"interrupted, no verdict": {interrupted, outcomeError(verify.Undetermined), 130},
		"interrupted, too late":   {interrupted, outcomeError(verify.Reject), 1},
		"interrupted, all done":   {interrupted, nil, 0},
	} {
		b := newBench(t)
		if got := b.exit(c.ctx, b.root(), c.err); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

// TestRuns is the same from the outside: command lines, and what a registry answers.
func TestRuns(t *testing.T) {
	gone, cancel := context.WithCancelCause(t.Context())
	cancel(Interrupted())
	slow := transport(func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	})
	for name, c := range map[string]struct {
		line     string
		answer   http.RoundTripper
		ctx      context.Context
		code     int
		out, err string // what must be told
	}{
		"nothing":                  {line: "", code: 0, out: "Usage:"},
		"version":                  {line: "version", code: 0, out: "hallmark v1.2.3"},
		"no such command":          {line: "verfy x", code: 64, err: `"verfy"`},
		"no such command below":    {line: "key make", code: 64, err: `"make"`},
		"no such help":             {line: "help verfy", code: 64, err: `"verfy"`},
		"no such shell":            {line: "completion tcsh", code: 64, err: "tcsh"},
		"completion":               {line: "completion bash", code: 0, out: "__start_hallmark"},
		"help":                     {line: "help key public", code: 0, out: "hallmark key public"},
		"no such flag":             {line: "list --colour x", code: 64, err: "--colour"},
		"flag without value":       {line: "list app --format", code: 64, err: "--format"},
		"value that is none":       {line: "list app --timeout soon", code: 64, err: "--timeout"},
		"word that is none":        {line: "list app -f xml", code: 64, err: "text, json"},
		"too few arguments":        {line: "list", code: 64, err: "no image"},
		"too many arguments":       {line: "attest a b", code: 64, err: "accepts 1 arg"},
		"argument where none is":   {line: "version now", code: 64, err: "now"},
		"nobody to sign":           {line: "sign app:1", code: 64, err: "--key"},
		"nobody trusted":           {line: "verify app:1", code: 64, err: "--key"},
		"threshold too high":       {line: "verify app:1 --key hallmark.pub --threshold 2", code: 64, err: "threshold"},
		"threshold zero":           {line: "verify app:1 --key hallmark.pub --threshold 0", code: 64, err: "threshold"},
		"annotation that is none":  {line: "verify app:1 --key hallmark.pub -a x", code: 64, err: "name=value"},
		"annotation twice":         {line: "sign app:1 --key hallmark.key -a x=1 -a x=2", code: 64, err: "two values"},
		"platform that is none":    {line: "list app:1 --platform linux/", answer: status(200, `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`), code: 64, err: "os/arch"},
		"empty password variable":  {line: "key public env://NO_SUCH", code: 2, err: "NO_SUCH"},
		"two SBOMs to seal":        {line: "seal app:1 --key hallmark.key --sbom a.json --sbom-format spdx-json", code: 64, err: "--sbom-format"},
		"unverified with key":      {line: "get sbom app:1 --unverified --key hallmark.pub", code: 64, err: "--unverified"},
		"unverified with number":   {line: "get signature app:1 --unverified --threshold 2", code: 64, err: "--unverified"},
		"unverified with type":     {line: "get sbom app:1 --unverified --type cyclonedx", code: 64, err: "--digest"},
		"digest of an attestation": {line: "get attestation app:1 --key hallmark.pub --digest sha256:0", code: 64, err: "--unverified"},
		"statement of no type":     {line: "attest app:1 --key hallmark.key --predicate x", code: 64, err: "--type"},
		"statement of nothing":     {line: "attest app:1 --key hallmark.key --type custom", code: 64, err: "--predicate"},
		"SBOM that is none":        {line: "sbom validate hallmark.pub", code: 1, out: "invalid: "},
		"SBOM that is not there":   {line: "sbom validate no-such.json", code: 2, out: "not read: "},
		"SBOM that is a folder":    {line: "sbom validate .", code: 2, out: "not read: "},
		"one SBOM that is none":    {line: "sbom validate no-such.json hallmark.pub", code: 1, out: "not read: "},
		"image by URL":             {line: "list https://user:secret-password@127.0.0.1:9/app:1", code: 64, err: "without https://"},
		"no room for a blob":       {line: "registry serve --max-blob 0", code: 64, err: "--max-blob"},
		"not found":                {line: "list app:1", code: 2, err: "404 Not Found"},
		"denied":                   {line: "list app:1", answer: status(401, `{}`), code: 2, err: "log in"},
		"forbidden":                {line: "list app:1", answer: status(403, `{}`), code: 2, err: "log in"},
		"verify denied":            {line: "verify app:1 --key hallmark.pub", answer: status(401, `{}`), code: 2, out: "undetermined", err: "log in"},
		"verify not found":         {line: "verify app:1 --key hallmark.pub", code: 2, out: "undetermined", err: "404 Not Found"},
		"sign not found":           {line: "sign app:1 --key hallmark.key", code: 2, err: "nothing was written"},
		"too slow":                 {line: "list app:1 --timeout 20ms", answer: slow, code: 2, err: "--timeout"},
		"interrupted":              {line: "list app:1", ctx: gone, code: 130, err: "interrupted"},
		"verify interrupted":       {line: "verify app:1 --key hallmark.pub", ctx: gone, code: 130, err: "interrupted"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.keys(t)
			if c.answer != nil {
				b.Transport = c.answer
			}
			ctx := t.Context()
			if c.ctx != nil {
				ctx = c.ctx
			}
			// An image without registry is one of Docker Hub; it never gets there.
			code := b.run(ctx, strings.ReplaceAll(c.line, "app:1", "127.0.0.1:9/app:1"))
			if code != c.code {
				t.Errorf("exit code %d, want %d\n%s%s", code, c.code, b.out, b.err)
			}
			if !strings.Contains(b.out.String(), c.out) || !strings.Contains(b.err.String(), c.err) {
				t.Errorf("want %q on stdout and %q on stderr:\n%s---\n%s", c.out, c.err, b.out, b.err)
			}
			if c.out == "" && b.out.Len() > 0 {
				t.Errorf("an error has an answer: %s", b.out)
			}
			for _, line := range strings.Split(strings.TrimSuffix(b.err.String(), "\n"), "\n") {
				if b.err.Len() > 0 && !strings.HasPrefix(line, "hallmark: ") {
					t.Errorf("on stderr, not ours: %q", line)
				}
			}
			if strings.ContainsFunc(strings.ReplaceAll(b.err.String(), "\n", ""), func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("stderr holds %q", b.err)
			}
			if strings.Contains(b.err.String()+b.out.String(), "secret-password") {
				t.Error("the password is shown")
			}
		})
	}
}

// TestPanic: a fault of ours ends in "could not tell", never in success or in a no.
func TestPanic(t *testing.T) {
	b := newBench(t)
	b.LookupEnv = func(string) (string, bool) { panic("a \x1b[2J fault\nhallmark: all is well") }
	if code := b.run(t.Context(), "list 127.0.0.1:9/app:1"); code != exitUndetermined {
		t.Errorf("exit code %d", code)
	}
	if got := b.err.String(); strings.Count(got, "\n") != 2 || strings.Contains(got, "\x1b") || !strings.Contains(got, "internal error") {
		t.Errorf("stderr holds %q", got)
	}
	if b.out.Len() > 0 {
		t.Errorf("stdout holds %q", b.out)
	}
}

// TestHostileRegistry: what a registry says in an error stays on one line of ours.
func TestHostileRegistry(t *testing.T) {
	b := newBench(t)
	b.keys(t)
	b.Transport = status(http.StatusForbidden, `{"errors":[{"code":"DENIED","message":"no\nhallmark: error: none\u001b[2J\u009b1A\u202egnp\r"}]}`)
	if code := b.run(t.Context(), "sign 127.0.0.1:9/app:1 --key hallmark.key"); code != exitUndetermined {
		t.Errorf("exit code %d", code)
	}
	if n := strings.Count(b.err.String(), "\n"); n != 2 {
		t.Errorf("%d lines, not an error and a hint:\n%s", n, b.err)
	}
	if strings.ContainsAny(b.err.String(), "\x1b\u009b\u202e\r") {
		t.Errorf("stderr holds %q", b.err)
	}
}

// TestStreams: the answer alone is on stdout, as one document where JSON is
// asked for, and --quiet and --verbose change only stderr.
func TestStreams(t *testing.T) {
	b := newBench(t)
	b.keys(t)
	const line = "verify 127.0.0.1:9/app:1 --key hallmark.pub -f json"
	b.run(t.Context(), line)
	answer := b.out.String()
	if dec := json.NewDecoder(strings.NewReader(answer)); dec.Decode(new(map[string]any)) != nil || dec.More() {
		t.Errorf("stdout is not one JSON document: %s", answer)
	}
	if b.err.Len() == 0 {
		t.Error("nothing on stderr")
	}
	if b.run(t.Context(), line+" --quiet"); b.err.Len() != 0 || b.out.String() != answer {
		t.Errorf("--quiet: %s%s", b.out, b.err)
	}
	if code := b.run(t.Context(), line+" -o answer.json"); code != exitUndetermined || b.out.Len() != 0 {
		t.Errorf("-o: %d %s", code, b.out)
	}
	if raw, err := os.ReadFile("answer.json"); err != nil || string(raw) != answer {
		t.Errorf("-o wrote %s, %v", raw, err)
	}
	if code := b.run(t.Context(), "list oci:"+layoutDir(t)+" -v"); code != exitYes || !strings.Contains(b.err.String(), " is oci:") {
		t.Errorf("--verbose: %d %s", code, b.err)
	}
	left, err := filepath.Glob(".*")
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %q %v", left, err)
	}
}

// layoutDir writes an OCI layout with one small image and returns its directory.
func layoutDir(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "layout")
	config := []byte(`{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}`)
	manifest := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","size":%d,"digest":%q},"layers":[]}`,
		len(config), attach.DigestOf(config))
	index := fmt.Appendf(nil, `{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":%d,"digest":%q}]}`,
		len(manifest), attach.DigestOf(manifest))
	for name, b := range map[string][]byte{
		"oci-layout": []byte(`{"imageLayoutVersion":"1.0.0"}`), "index.json": index,
		"blobs/sha256/" + attach.DigestOf(config).Hex:   config,
		"blobs/sha256/" + attach.DigestOf(manifest).Hex: manifest,
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestWorksAlone: a layout is signed, verified and listed without a single request.
func TestWorksAlone(t *testing.T) {
	b := newBench(t)
	b.Transport = transport(func(r *http.Request) (*http.Response, error) {
		t.Errorf("a request to %s", r.URL)
		return nil, io.ErrClosedPipe
	})
	b.keys(t)
	img := "oci:" + layoutDir(t)
	for _, c := range []struct {
		line string
		code int
		out  string
	}{
		{"verify " + img + " --key hallmark.pub", exitNo, "no-signature"},
		{"sign " + img + " --key hallmark.key -a env=prod", exitYes, "attached: signature"},
		{"sign " + img + " --key hallmark.key -a env=prod", exitYes, "was there: signature"},
		{"verify " + img + " --key hallmark.pub -a env=prod --deep", exitYes, "accept"},
		{"verify " + img + " --key hallmark.pub -a env=test", exitNo, "annotation-mismatch"},
		{"verify " + img + " --key hallmark.pub --sbom", exitNo, "no-attestation"},
		{"seal " + img + " --key hallmark.key", exitYes, "anyone can check it with"},
		{"verify " + img + " --key hallmark.pub --sbom --type spdxjson --all", exitYes, "accept"},
		{"get sbom " + img + " --key hallmark.pub", exitYes, "SPDX-2.3"},
		{"get attestation " + img + " --unverified --type spdxjson", exitYes, "application/vnd.in-toto+json"},
		{"get attestation " + img + " --unverified --type vuln", exitNo, ""},
		{"get signature " + img + " --key hallmark.pub", exitYes, "Base64Signature"},
		{"list " + img, exitYes, "attestation https://spdx.dev/Document"},
	} {
		if code := b.run(t.Context(), c.line); code != c.code || !strings.Contains(b.out.String(), c.out) {
			t.Errorf("%s: exit code %d, want %d and %q\n%s%s", c.line, code, c.code, c.out, b.out, b.err)
		}
	}
}
