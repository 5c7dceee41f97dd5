package policy

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/keyless"
	"github.com/hallmark-oci/hallmark/verify/network"
	"github.com/hallmark-oci/hallmark/verify/revocation"
	"github.com/hallmark-oci/hallmark/verify/tuf"
)

// Options are what reading a policy needs from outside.
type Options struct {
	// Now tells the time. Policies with a maximum age are refused without it.
	Now func() time.Time
	// ReadKey returns the public key in a file that a policy names. Load reads
	// files where it is nil, Parse refuses such policies.
	ReadKey func(path string) (*key.Public, error)
	// ReadRoot returns the trusted root in a file that a policy names, as ReadKey does.
	ReadRoot func(path string) (*keyless.Root, error)
	// ReadRevocations returns what the signed list in a file revokes, as ReadKey does.
	ReadRevocations func(path string, d revocation.Demand) (verify.Revocations, error)
	// Root returns the trusted root for identities of ClusterImagePolicies that name
	// none; asked for at most once, where it is needed. Without one they stay open.
	Root func() (*keyless.Root, error)
	// Fetched returns what was fetched from a TUF repository before, for a TrustRoot
	// that is a remote one; asked for where there is such a one. Parse fetches nothing.
	Fetched func() (*tuf.Material, error)
	// ReadService returns the public key of a key in a key service, SCHEME://KEY, for
	// policies that name one with kms; it decides which services may be asked. Without
	// it, and where it fails, such policies stay open.
	ReadService func(name string) (*key.Public, error)
	// Hosts are those that may be asked for log entries, see verify.Trust.
	Hosts *network.Hosts
	// Remote returns what is at an address, for parts in CUE and Rego that are kept there;
	// the policy names the SHA-256 that it must have. Without it, and where it fails, such
	// parts stay open.
	Remote func(address string, sum [sha256.Size]byte) ([]byte, error)
	// Evaluator runs parts in CUE and Rego. Without one they stay open.
	Evaluator Evaluator
	// Elsewhere returns a reader for the image's repository that looks for what is
	// attached where the source says, for policies that have one. Without it, and where
	// it fails, they stay open.
	Elsewhere func(image attach.Subject, at Source) (attach.Reader, error)
	// Partial takes files without any scope or ClusterImagePolicy, as one that revokes
	// alone is before it stands beside others. Such a set rejects every image.
	Partial bool
}

// A Source says where evidence is kept, if not beside the image. The zero Source is there.
type Source struct {
	// Repo is another repository, "" for that of the image.
	Repo string
	// TagPrefix stands before the digest in cosign's tags, and nothing without it counts:
	// see [attach.CheckTagPrefix]. Where it is empty, all that is attached is looked at.
	TagPrefix string
}

// String says where: "in r.example/a under tags that begin with x".
func (s Source) String() string {
	var where []string
	if s.Repo != "" {
		where = append(where, "in "+s.Repo)
	}
	if s.TagPrefix != "" {
		where = append(where, "under tags that begin with "+s.TagPrefix)
	}
	return strings.Join(where, " ")
}

// clock is Now, and without it one by which what depends on the time holds for no time.
func (o Options) clock() func() time.Time {
	if o.Now == nil {
		return func() time.Time { return time.Unix(0, 0) }
	}
	return o.Now
}

// Load reads policy files, each of at most [MaxFile] bytes.
func Load(ctx context.Context, o Options, paths ...string) (*Set, error) {
	files := make([]File, len(paths))
	for i, p := range paths {
		text, err := read(p)
		if err != nil {
			return nil, err
		}
		files[i] = File{Name: p, Text: text}
	}
	if o.ReadKey == nil {
		o.ReadKey = func(path string) (*key.Public, error) { return key.LoadPublic(ctx, path, key.Options{}) }
	}
	if o.ReadRoot == nil {
		o.ReadRoot = readRoot
	}
	if o.ReadRevocations == nil {
		o.ReadRevocations = readRevocations(ctx)
	}
	return Parse(o, files...)
}

func read(path string) ([]byte, error) {
	text, err := upTo(path, MaxFile)
	if err != nil {
		return nil, fmt.Errorf("read policy: %w", err)
	}
	return text, nil
}

func readRoot(path string) (*keyless.Root, error) {
	text, err := upTo(path, keyless.MaxRoot)
	if err != nil {
		return nil, fmt.Errorf("read trusted root: %w", err)
	}
	return keyless.ParseRoot(text)
}

// upTo reads a file, of a larger one so much that it can be told.
func upTo(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit+1))
}
