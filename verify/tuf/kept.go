package tuf

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
	"github.com/theupdateframework/go-tuf/v2/metadata/trustedmetadata"
)

// kept is the file: all metadata with the bytes that were signed, and the
// documents. One file is replaced as a whole, so it is never half of one state and
// half of another, and it can be carried to a machine without network.
type kept struct {
	Kind          string    `json:"kind"`
	Version       int       `json:"version"`
	Mirror        string    `json:"mirror"`
	Fetched       time.Time `json:"fetched"`
	Root          []byte    `json:"root"`
	Timestamp     []byte    `json:"timestamp"`
	Snapshot      []byte    `json:"snapshot"`
	Targets       []byte    `json:"targets"`
	TrustedRoot   []byte    `json:"trustedRoot"`
	SigningConfig []byte    `json:"signingConfig,omitempty"`
}

const (
	keptKind    = "hallmark.tuf"
	keptVersion = 1
)

// Load returns what the last Init has kept below dir. All of it is verified again,
// at the time now: what has expired meanwhile is an error, never an answer.
func Load(dir string, now time.Time) (*Material, error) {
	k, err := read(File(dir))
	if err != nil {
		return nil, err
	}
	return k.verify(now)
}

// read reads the file without judging what is in it.
func read(path string) (*kept, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, failed(None, errors.New("no trust was fetched yet"), "read %s", path)
	}
	if err != nil {
		return nil, failed(Unreadable, bare(err), "read %s", path)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, failed(Unreadable, bare(err), "read %s", path)
	}
	if len(raw) > maxFile {
		return nil, failed(Oversized, fmt.Errorf("more than %d bytes", maxFile), "read %s", path)
	}
	k := new(kept)
	if err := json.Unmarshal(raw, k); err != nil {
		return nil, failed(Malformed, err, "read %s", path)
	}
	if k.Kind != keptKind || k.Version != keptVersion {
		return nil, failed(Malformed, fmt.Errorf("kind %q, version %d is not known here", k.Kind, k.Version), "read %s", path)
	}
	return k, nil
}

// bare takes the path off an error: the message names it already.
func bare(err error) error {
	var e *fs.PathError
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

// write replaces the file as a whole.
func (k *kept) write(path string) error {
	k.Kind, k.Version = keptKind, keptVersion
	raw, err := json.MarshalIndent(k, "", "  ")
	if err != nil {
		return failed(Unreadable, err, "write %s", path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return failed(Unreadable, bare(err), "make the folder of %s", path)
	}
	temp := path + "." + rand.Text()
	defer os.Remove(temp)
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return failed(Unreadable, bare(err), "write beside %s", path)
	}
	_, err = f.Write(append(raw, '\n'))
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		return failed(Unreadable, bare(err), "write %s", path)
	}
	return nil
}

// verify checks all that is kept, as Init did, without the mirror.
func (k *kept) verify(now time.Time) (*Material, error) {
	fail := func(name string, err error) error {
		return failed(reasonOf(err), err, "trust %s that was fetched from %s on %s", name, k.Mirror, k.Fetched.Format(time.RFC3339))
	}
	t, err := guarded(func() (*trustedmetadata.TrustedMetadata, error) { return trustedmetadata.New(k.Root) })
	if err != nil {
		return nil, fail("the root", err)
	}
	t.RefTime = now.UTC()
	if err := takeTimestamp(t, k.Timestamp); err != nil {
		return nil, fail("the timestamp", dated(err, t))
	}
	if err := takeSnapshot(t, k.Snapshot, false); err != nil {
		return nil, fail("the snapshot", dated(err, t))
	}
	if err := takeTargets(t, k.Targets); err != nil {
		return nil, fail("the list of targets", err)
	}
	for name, raw := range map[string][]byte{trustedRootName: k.TrustedRoot, signingConfigName: k.SigningConfig} {
		f, err := target(t, name)
		if errors.Is(err, errNoTarget) && name == signingConfigName && raw == nil {
			continue
		}
		if err == nil {
			err = f.VerifyLengthHashes(raw)
		}
		if err != nil {
			return nil, fail(name, err)
		}
	}
	return k.material(t), nil
}

// material returns what is trusted, which was verified, and by which metadata.
func (k *kept) material(t *trustedmetadata.TrustedMetadata) *Material {
	targets := t.Targets[metadata.TARGETS].Signed
	return &Material{
		Mirror: k.Mirror, TrustedRoot: k.TrustedRoot, SigningConfig: k.SigningConfig, Fetched: k.Fetched,
		Roles: []Role{
			{metadata.ROOT, t.Root.Signed.Version, t.Root.Signed.Expires},
			{metadata.TIMESTAMP, t.Timestamp.Signed.Version, t.Timestamp.Signed.Expires},
			{metadata.SNAPSHOT, t.Snapshot.Signed.Version, t.Snapshot.Signed.Expires},
			{metadata.TARGETS, targets.Version, targets.Expires},
		},
	}
}
