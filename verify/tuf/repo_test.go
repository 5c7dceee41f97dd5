package tuf

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// origin is the time at which the tests' repositories are made.
var origin = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const testMirror = "https://mirror.example/tuf"

// files is a mirror: what it has, by path.
type files map[string][]byte

// RoundTrip implements http.RoundTripper.
func (f files) RoundTrip(r *http.Request) (*http.Response, error) {
	res := &http.Response{StatusCode: 404, Status: "404 Not Found", Header: make(http.Header), Request: r, Body: http.NoBody, ContentLength: -1}
	if raw, ok := f[strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/tuf"), "/")]; ok {
		res.StatusCode, res.Status, res.Body = 200, "200 OK", io.NopCloser(bytes.NewReader(raw))
	}
	return res, nil
}

func (f files) clone() files {
	c := make(files)
	for k, v := range f {
		c[k] = v
	}
	return c
}

// repo makes the states of a repository whose root has three keys of which two
// must sign, and whose other roles have one key each.
type repo struct {
	t       testing.TB
	keys    map[string]signature.Signer // by name
	public  map[string]*metadata.Key
	version map[string]int64
	expires map[string]time.Time // unless here, a role holds for a week, the root for a year
	signers map[string][]string  // names of the keys that sign a role
	targets map[string][]byte
	// each changes metadata before they are signed.
	root     func(*metadata.RootType)
	stamp    func(*metadata.TimestampType)
	snapshot func(*metadata.SnapshotType)
	list     func(*metadata.TargetsType)
}

func newRepo(t testing.TB) *repo {
	r := &repo{
		t: t, keys: make(map[string]signature.Signer), public: make(map[string]*metadata.Key), expires: make(map[string]time.Time),
		version: map[string]int64{"root": 1, "timestamp": 1, "snapshot": 1, "targets": 1},
		signers: map[string][]string{"root": {"a", "b"}, "timestamp": {"timestamp"}, "snapshot": {"snapshot"}, "targets": {"targets"}},
		targets: map[string][]byte{trustedRootName: []byte(`{"trusted":1}`), signingConfigName: []byte(`{"signing":1}`)},
	}
	for _, name := range []string{"a", "b", "c", "timestamp", "snapshot", "targets", "stranger"} {
		pub, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if r.keys[name], err = signature.LoadSigner(private, crypto.Hash(0)); err != nil {
			t.Fatal(err)
		}
		if r.public[name], err = metadata.KeyFromPublicKey(pub); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func (r *repo) end(role string) time.Time {
	if e, ok := r.expires[role]; ok {
		return e
	}
	if role == "root" {
		return origin.AddDate(1, 0, 0)
	}
	return origin.AddDate(0, 0, 7)
}

type signed interface {
	Sign(signature.Signer) (*metadata.Signature, error)
	ToBytes(bool) ([]byte, error)
}

func (r *repo) sign(role string, m signed) []byte {
	r.t.Helper()
	for _, name := range r.signers[role] {
		if _, err := m.Sign(r.keys[name]); err != nil {
			r.t.Fatal(err)
		}
	}
	raw, err := m.ToBytes(false)
	if err != nil {
		r.t.Fatal(err)
	}
	return raw
}

// publish adds the present state to the mirror.
func (r *repo) publish(to files) files {
	r.t.Helper()
	list := metadata.Targets(r.end("targets"))
	list.Signed.Version = r.version["targets"]
	for name, raw := range r.targets {
		f, err := metadata.TargetFile().FromBytes(name, raw, "sha256")
		if err != nil {
			r.t.Fatal(err)
		}
		list.Signed.Targets[name] = f
		to["targets/"+f.Hashes["sha256"].String()+"."+name] = raw
	}
	if r.list != nil {
		r.list(&list.Signed)
	}
	number := func(role string) string { return strconv.FormatInt(r.version[role], 10) + "." + role + ".json" }
	to[number("targets")] = r.sign("targets", list)

	snapshot := metadata.Snapshot(r.end("snapshot"))
	snapshot.Signed.Version = r.version["snapshot"]
	snapshot.Signed.Meta["targets.json"] = metadata.MetaFile(r.version["targets"])
	if r.snapshot != nil {
		r.snapshot(&snapshot.Signed)
	}
	to[number("snapshot")] = r.sign("snapshot", snapshot)

	stamp := metadata.Timestamp(r.end("timestamp"))
	stamp.Signed.Version = r.version["timestamp"]
	stamp.Signed.Meta["snapshot.json"] = metadata.MetaFile(r.version["snapshot"])
	if r.stamp != nil {
		r.stamp(&stamp.Signed)
	}
	to["timestamp.json"] = r.sign("timestamp", stamp)

	root := metadata.Root(r.end("root"))
	root.Signed.Version = r.version["root"]
	for name, role := range map[string]string{"a": "root", "b": "root", "c": "root", "timestamp": "timestamp", "snapshot": "snapshot", "targets": "targets"} {
		if err := root.Signed.AddKey(r.public[name], role); err != nil {
			r.t.Fatal(err)
		}
	}
	root.Signed.Roles["root"].Threshold = 2
	if r.root != nil {
		r.root(&root.Signed)
	}
	to[number("root")] = r.sign("root", root)
	return to
}

// next publishes the state after the present one.
func (r *repo) next(to files, roles ...string) files {
	r.t.Helper()
	for _, role := range roles {
		r.version[role]++
	}
	return r.publish(to)
}
