package tuf

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	sigstore "github.com/sigstore/sigstore-go/pkg/tuf"
	"github.com/theupdateframework/go-tuf/v2/metadata"
	"github.com/theupdateframework/go-tuf/v2/metadata/trustedmetadata"
)

// The files of a repository that are read.
const (
	timestampName     = "timestamp.json"
	snapshotName      = "snapshot.json"
	targetsName       = "targets.json"
	trustedRootName   = "trusted_root.json"
	signingConfigName = "signing_config.v0.2.json"
)

// PublicGood is the mirror of Sigstore's public instance. Its first root is built
// in.
const PublicGood = sigstore.DefaultMirror

// Options say what Init asks whom.
type Options struct {
	// Mirror is the URL of the repository. Empty means the one that was asked last,
	// and the public instance's where none was.
	Mirror string
	// Root is a root.json of the repository that was had from elsewhere; its age does
	// not matter. nil means the one of the last time, and for the public instance's
	// mirror the one that is built in.
	Root []byte
	// Transport carries the requests. nil means Go's default.
	Transport http.RoundTripper
	// Now is the time at which metadata must hold.
	Now time.Time
	// Check looks at the trusted root before anything is kept. nil means no check.
	Check func(trustedRoot []byte) error
}

// Init follows a repository from a root to its present state and keeps what it
// says in File(dir). Where the same mirror was asked before, nothing older than
// what it said then is taken. On an error the file stays as it was.
func Init(ctx context.Context, dir string, o Options) (*Material, error) {
	old, err := read(File(dir))
	if err != nil && ReasonOf(err) != None {
		return nil, err
	}
	if o.Mirror == "" {
		o.Mirror = PublicGood
		if old != nil {
			o.Mirror = old.Mirror
		}
	}
	m, err := newMirror(o.Mirror, o.Transport)
	if err != nil {
		return nil, err
	}
	o.Mirror = m.base.String()
	if old == nil || unslashed(old.Mirror) != o.Mirror {
		old = &kept{}
	}
	first, err := firstRoot(o, old)
	if err != nil {
		return nil, err
	}
	t, err := guarded(func() (*trustedmetadata.TrustedMetadata, error) { return trustedmetadata.New(first) })
	if err != nil {
		return nil, failed(reasonOf(err), err, "read the first root of %s", o.Mirror)
	}
	t.RefTime = o.Now.UTC()
	u := &update{files: m, trusted: t, old: old, now: &kept{Mirror: o.Mirror, Root: first, Fetched: o.Now.UTC()}}
	if err := u.run(ctx); err != nil {
		return nil, err
	}
	if o.Check != nil {
		if err := o.Check(u.now.TrustedRoot); err != nil {
			return nil, failed(Malformed, err, "read %s of %s", trustedRootName, o.Mirror)
		}
	}
	mat, err := u.now.verify(o.Now)
	if err != nil {
		return nil, err
	}
	return mat, u.now.write(File(dir))
}

// firstRoot returns the root that the way to the present one begins with.
func firstRoot(o Options, old *kept) ([]byte, error) {
	switch {
	case len(o.Root) > MaxRoot:
		return nil, failed(Oversized, fmt.Errorf("it has more than %d bytes", MaxRoot), "read the first root of %s", o.Mirror)
	case o.Root != nil:
		return o.Root, nil
	case old.Root != nil:
		return old.Root, nil
	case o.Mirror == PublicGood:
		return sigstore.DefaultRoot(), nil
	}
	return nil, failed(Misused, errors.New("a root.json of the repository is needed, from its operator"), "begin with %s", o.Mirror)
}

// update is one walk through a repository, in the order of section 5.3 of the
// specification: root, timestamp, snapshot, targets, and the documents.
type update struct {
	files    source
	trusted  *trustedmetadata.TrustedMetadata
	old, now *kept

	// folder and document say where the trusted root is; empty is what every
	// repository of Sigstore has.
	folder, document string
	rootAlone        bool // no signing configuration is asked for
}

func (u *update) run(ctx context.Context) error {
	for _, step := range []func(context.Context) error{u.roots, u.timestamp, u.snapshot, u.targets, u.documents} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// fail tells with what of the repository something is wrong.
func (u *update) fail(name string, err error) error {
	return failed(reasonOf(err), dated(err, u.trusted), "follow %s of %s", name, u.now.Mirror)
}

// roots follows the versions of the root, each signed by the one before.
func (u *update) roots(ctx context.Context) error {
	for range maxRoots {
		name := fmt.Sprintf("%d.root.json", u.trusted.Root.Signed.Version+1)
		raw, err := u.files.get(ctx, MaxRoot, name)
		if errors.Is(err, errAbsent) {
			return u.notBefore()
		}
		if err != nil {
			return err
		}
		if _, err := guarded(func() (any, error) { return u.trusted.UpdateRoot(raw) }); err != nil {
			return u.fail(name, err)
		}
		u.now.Root = raw
	}
	return failed(Oversized, fmt.Errorf("more than %d versions", maxRoots), "follow the root of %s", u.now.Mirror)
}

// notBefore refuses a last root that is older than the one of the last time.
func (u *update) notBefore() error {
	if u.old.Root == nil {
		return nil
	}
	before, err := metadata.Root().FromBytes(u.old.Root)
	if err != nil {
		return u.fail("the root that was kept", err)
	}
	if u.trusted.Root.Signed.Version < before.Signed.Version {
		return failed(Rollback, fmt.Errorf("its last version is %d, the last time it was %d", u.trusted.Root.Signed.Version, before.Signed.Version),
			"follow the root of %s", u.now.Mirror)
	}
	return nil
}

// timestamp takes the newest timestamp: signed, not expired, and no older than the
// one of the last time, which counts only for that.
func (u *update) timestamp(ctx context.Context) error {
	if u.old.Timestamp != nil {
		// What the present root does not vouch for any more binds no one.
		_ = takeTimestamp(u.trusted, u.old.Timestamp)
	}
	raw, err := u.files.get(ctx, maxTimestamp, timestampName)
	if err != nil {
		return err
	}
	err = takeTimestamp(u.trusted, raw)
	switch {
	case errors.Is(err, &metadata.ErrEqualVersionNumber{}):
		raw = u.old.Timestamp
	case err != nil:
		return u.fail(timestampName, err)
	}
	u.now.Timestamp = raw
	return nil
}

// snapshot takes the snapshot that the timestamp names.
func (u *update) snapshot(ctx context.Context) error {
	want := u.trusted.Timestamp.Signed.Meta[snapshotName]
	if u.old.Snapshot != nil {
		err := takeSnapshot(u.trusted, u.old.Snapshot, true) // no older one is taken then
		if err == nil && want.VerifyLengthHashes(u.old.Snapshot) == nil {
			u.now.Snapshot = u.old.Snapshot
			return nil
		}
	}
	raw, err := u.metadata(ctx, snapshotName, want, maxSnapshot)
	if err != nil {
		return err
	}
	if err := takeSnapshot(u.trusted, raw, false); err != nil {
		return u.fail(snapshotName, err)
	}
	u.now.Snapshot = raw
	return nil
}

// targets takes the list of targets that the snapshot names.
func (u *update) targets(ctx context.Context) error {
	raw, err := u.metadata(ctx, targetsName, u.trusted.Snapshot.Signed.Meta[targetsName], maxTargets)
	if err != nil {
		return err
	}
	if err := takeTargets(u.trusted, raw); err != nil {
		return u.fail(targetsName, err)
	}
	u.now.Targets = raw
	return nil
}

// metadata reads a metadata file in the version that another one names.
func (u *update) metadata(ctx context.Context, name string, want *metadata.MetaFiles, limit int64) ([]byte, error) {
	if want.Length > limit {
		return nil, failed(Oversized, fmt.Errorf("it has %d bytes, %d are read at most", want.Length, limit), "follow %s of %s", name, u.now.Mirror)
	}
	if want.Length > 0 {
		limit = want.Length
	}
	if u.trusted.Root.Signed.ConsistentSnapshot {
		name = fmt.Sprintf("%d.%s", want.Version, name)
	}
	return u.files.get(ctx, limit, name)
}

// documents reads the targets that are kept. Their names are ours: those in the
// repository are compared with them and become no path.
func (u *update) documents(ctx context.Context) error {
	var err error
	if u.now.TrustedRoot, err = u.target(ctx, cmp.Or(u.document, trustedRootName)); err != nil {
		return err
	}
	if u.rootAlone {
		return nil
	}
	u.now.SigningConfig, err = u.target(ctx, signingConfigName)
	if ReasonOf(err) == Absent {
		return nil
	}
	return err
}

func (u *update) target(ctx context.Context, name string) ([]byte, error) {
	t, err := target(u.trusted, name)
	if err != nil {
		return nil, failed(reasonOf(err), err, "find %s in %s", name, u.now.Mirror)
	}
	at := name
	if u.trusted.Root.Signed.ConsistentSnapshot {
		sum, ok := t.Hashes["sha256"]
		if !ok {
			sum = t.Hashes["sha512"]
		}
		at = sum.String() + "." + name
	}
	raw, err := u.files.get(ctx, t.Length, cmp.Or(u.folder, "targets"), at)
	if err != nil {
		return nil, err
	}
	if err := t.VerifyLengthHashes(raw); err != nil {
		return nil, u.fail(name, err)
	}
	return raw, nil
}
