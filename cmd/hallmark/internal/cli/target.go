package cli

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/layout"
	"github.com/hallmark-oci/hallmark/attach/registry"
	"github.com/hallmark-oci/hallmark/verify/policy"
)

// target is the group of flags that say where images and attachments are.
type target struct {
	app        *App
	insecure   bool
	attachRepo string
	push       bool // the command writes
	deletes    bool // the command deletes, too
	bare       bool // the command has nothing to do with attachments
	platform   string
	parallel   int
	manifest   int64 // size of the largest manifest that is read, in bytes

	mu      sync.Mutex
	hosts   *registry.Hosts            // what the stores share: one challenge for each registry, one token for each repository
	stores  map[string]*registry.Store // by repository
	layouts map[string]*layout.Store   // by directory
}

// bind declares the flags.
func (t *target) bind(cmd *cobra.Command, app *App) {
	t.bindBare(cmd, app)
	t.bare = false
	cmd.Flags().StringVar(&t.attachRepo, "attachment-repository", "",
		"keep and look for attachments in this repository instead of the image's own (default: COSIGN_REPOSITORY)")
}

// bindBare declares the flags for a command that reads images alone.
func (t *target) bindBare(cmd *cobra.Command, app *App) {
	t.app, t.bare = app, true
	cmd.Flags().BoolVar(&t.insecure, "allow-insecure-registry", false,
		"talk to the registry over plain HTTP or with a certificate that cannot be verified")
	cmd.Flags().IntVar(&t.parallel, "parallel", 16, "how many requests to one registry are under way at once")
	cmd.Flags().Int64Var(&t.manifest, "max-manifest", attach.MaxManifest, "size of the largest manifest that is read from a registry, in bytes")
}

// bindWriter declares the flags for a command that attaches something.
func (t *target) bindWriter(cmd *cobra.Command, app *App) {
	t.bind(cmd, app)
	t.push = true
}

// bindPlatform declares --platform, for commands on one image of an index.
func (t *target) bindPlatform(cmd *cobra.Command) {
	cmd.Flags().StringVar(&t.platform, "platform", "",
		"take the image of this platform out of an index: os/arch[/variant]")
}

// An image is a subject with the store that holds it.
type image struct {
	attach.Store
	subject attach.Subject
	index   attach.Subject // what the name resolved to: the subject, or the index that it was chosen from
	name    string         // as the user typed it
}

// open finds the store of an IMAGE argument and resolves the image in it, once.
// The store is returned too where the image is there and --platform is not in it.
func (t *target) open(ctx context.Context, arg string) (image, error) {
	store, ref, err := t.store(arg)
	if err != nil {
		return image{}, err
	}
	subject, err := store.Resolve(ctx, ref)
	if err != nil {
		return image{}, err
	}
	img := image{Store: store, subject: subject, index: subject, name: arg}
	if t.platform != "" {
		if img.subject, err = t.choose(ctx, img); err != nil {
			return img, fmt.Errorf("%s: %w", arg, err)
		}
	}
	t.app.tracef("%s is %s", arg, img.subject)
	return img, nil
}

// choose returns the image of --platform out of an index.
func (t *target) choose(ctx context.Context, img image) (attach.Subject, error) {
	want, err := v1.ParsePlatform(t.platform)
	if err != nil || want.OS == "" || want.Architecture == "" {
		return attach.Subject{}, usagef("--platform %q is not of the form os/arch[/variant]", t.platform)
	}
	if !img.subject.Desc.MediaType.IsIndex() {
		return attach.Subject{}, usagef("--platform %s: %s is one image, not an index", t.platform, img.subject)
	}
	children, err := attach.Children(ctx, img, img.subject)
	if err != nil {
		return attach.Subject{}, err
	}
	child, err := attach.Select(children, *want)
	return child.Subject, err
}

// store returns the store that an IMAGE argument names and the tag or digest in it.
func (t *target) store(arg string) (attach.Store, string, error) {
	if rest, ok := strings.CutPrefix(arg, layoutPrefix); ok {
		return t.layout(arg, rest)
	}
	if err := checkScheme(arg); err != nil {
		return nil, "", err
	}
	repo, ref, err := registry.Parse(arg)
	if err != nil {
		return nil, "", usagef("image %q: %v", arg, err)
	}
	store, err := t.registry(repo)
	if err != nil {
		return nil, "", usagef("image %q: %v", arg, err)
	}
	return store, ref, nil
}

// checkScheme refuses a URL. What follows its scheme may hold a password.
func checkScheme(arg string) error {
	if scheme, _, ok := strings.Cut(arg, "://"); ok {
		return usagef("image %q...: an image is named as registry/repository:tag, without %s://; for plain HTTP there is --allow-insecure-registry", scheme+"://", scheme)
	}
	return nil
}

// maxStores is how many repositories are kept open; a server that runs for long
// begins anew after that.
const maxStores = 1000

// maxLayouts is how many layouts are kept open, each with a file handle.
const maxLayouts = 64

// registry returns the store of a repository, the same for all its images.
func (t *target) registry(repo string) (*registry.Store, error) {
	if err := t.limits(); err != nil {
		return nil, err
	}
	return t.kept(repo, registry.Options{AttachmentRepo: t.attachments(), Push: t.push, Delete: t.deletes})
}

// elsewhere returns a reader of a repository that looks for attachments where a policy
// says that they are.
func (t *target) elsewhere(repo string, at policy.Source) (attach.Reader, error) {
	if strings.HasPrefix(repo, layoutPrefix) {
		return nil, fmt.Errorf("%s keeps its own attachments, and those %s are not looked for", repo, at)
	}
	if err := t.limits(); err != nil {
		return nil, err
	}
	s, err := t.kept(repo, registry.Options{AttachmentRepo: cmp.Or(at.Repo, t.attachments())})
	switch {
	case err != nil:
		return nil, err
	case at.TagPrefix == "":
		return s, nil
	}
	return s.Under(at.TagPrefix), nil
}

// kept returns the store of a repository that has its attachments where the options say.
func (t *target) kept(repo string, o registry.Options) (*registry.Store, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	name := fmt.Sprintf("%s %s %t", repo, o.AttachmentRepo, o.Push)
	if s := t.stores[name]; s != nil {
		return s, nil
	}
	o.Hosts = t.shared()
	s, err := registry.New(repo, o)
	if err != nil {
		return nil, err
	}
	if t.stores == nil || len(t.stores) >= maxStores {
		t.stores = make(map[string]*registry.Store)
	}
	t.stores[name] = s
	return s, nil
}

// shared returns what the stores share.
func (t *target) shared() *registry.Hosts {
	if t.hosts == nil {
		t.hosts = registry.NewHosts(registry.Options{
			Insecure:    t.insecure,
			Transport:   t.app.Transport,
			UserAgent:   "hallmark/" + t.app.Version.Version,
			Parallel:    t.parallel,
			MaxManifest: t.manifest,
		})
	}
	return t.hosts
}

// sharing makes the target one of the same process as the other, with its limits.
func (t *target) sharing(other *target) error {
	if err := other.limits(); err != nil {
		return err
	}
	t.insecure, t.parallel, t.manifest, t.hosts = other.insecure, other.parallel, other.manifest, other.shared()
	return nil
}

// The bounds of what users may ask for.
const (
	maxParallel = 256
	maxManifest = 64 << 20
)

// limits checks the flags that set limits.
func (t *target) limits() error {
	switch {
	case t.parallel < 1 || t.parallel > maxParallel:
		return usagef("--parallel %d: want 1 to %d", t.parallel, maxParallel)
	case t.manifest < 1<<10 || t.manifest > maxManifest:
		return usagef("--max-manifest %d: want %d to %d bytes", t.manifest, 1<<10, maxManifest)
	}
	return nil
}

// layoutPrefix marks an image in an OCI layout directory.
const layoutPrefix = "oci:"

// layout opens "DIR", "DIR:tag" or "DIR@sha256:...". A colon belongs to the tag
// only where no path separator follows it.
func (t *target) layout(arg, rest string) (attach.Store, string, error) {
	if t.attachRepo != "" {
		return nil, "", usagef("image %q: an OCI layout keeps its own attachments; --attachment-repository is for registries", arg)
	}
	dir, ref, err := splitLayout(arg, rest)
	if err != nil {
		return nil, "", err
	}
	store, err := t.openLayout(dir)
	if err != nil {
		return nil, "", err
	}
	return store, ref, nil
}

// splitLayout returns the directory and the tag or digest of "DIR:tag" or
// "DIR@sha256:...".
func splitLayout(arg, rest string) (dir, ref string, err error) {
	dir = rest
	if i := strings.LastIndex(rest, "@"); i >= 0 {
		dir, ref = rest[:i], rest[i+1:]
	} else if i := strings.LastIndex(rest, ":"); i >= 0 && !strings.ContainsAny(rest[i:], `/\`) {
		dir, ref = rest[:i], rest[i+1:]
	}
	if dir == "" {
		return "", "", usagef("image %q: no directory is named", arg)
	}
	return dir, ref, nil
}

// publisher returns where a manifest is to be stored and the tag for it. A layout
// that does not exist is made.
func (t *target) publisher(ctx context.Context, arg string) (attach.Publisher, string, error) {
	rest, isLayout := strings.CutPrefix(arg, layoutPrefix)
	if strings.Contains(arg, "@") {
		return nil, "", usagef("%s: the digest follows from what is stored; name a tag", arg)
	}
	if isLayout {
		dir, tag, err := splitLayout(arg, rest)
		if err != nil {
			return nil, "", err
		}
		if tag == "" {
			return nil, "", usagef("%s: name a tag, oci:DIR:TAG", arg)
		}
		store, err := layout.Create(ctx, dir, layout.Options{})
		return store, tag, err
	}
	store, tag, err := t.store(arg)
	if err != nil {
		return nil, "", err
	}
	return store.(attach.Publisher), tag, nil // every store here is one
}

// openLayout returns the store of a layout, the same for all its images.
func (t *target) openLayout(dir string) (*layout.Store, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.layouts[dir]; s != nil {
		return s, nil
	}
	s, err := layout.Open(dir, layout.Options{})
	if err != nil {
		return nil, err
	}
	if t.layouts == nil || len(t.layouts) >= maxLayouts {
		t.layouts = make(map[string]*layout.Store)
	}
	t.layouts[dir] = s
	return s, nil
}

// A repository is a store that tells its tags, and what it can do.
type repository interface {
	attach.Store
	Tags(ctx context.Context) ([]string, error)
	Diagnose(ctx context.Context, deep bool) (attach.Diagnosis, error)
}

// openRepository returns the store that a REPOSITORY argument names.
func (t *target) openRepository(arg string) (repository, error) {
	if dir, ok := strings.CutPrefix(arg, layoutPrefix); ok {
		return t.openLayout(dir)
	}
	store, err := t.registry(arg)
	if err != nil {
		return nil, usagef("repository %q: %v", arg, err)
	}
	return store, nil
}

// check refuses an IMAGE argument that names none, without asking anybody.
func (t *target) check(arg string) error {
	if strings.HasPrefix(arg, layoutPrefix) {
		return nil
	}
	_, _, err := t.store(arg)
	return err
}

// attachments returns the repository that attachments are moved to, "" for the
// image's own. The flag wins over the environment.
func (t *target) attachments() string {
	if t.bare || t.attachRepo != "" {
		return t.attachRepo
	}
	v, _ := t.app.LookupEnv("COSIGN_REPOSITORY")
	return v
}
