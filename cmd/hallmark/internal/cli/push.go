package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/artifact"
	"github.com/hallmark-oci/hallmark/cmd/hallmark/internal/report"
)

func newPushCmd(app *App) *cobra.Command {
	job := pushJob{app: app}
	cmd := &cobra.Command{
		Use:     "push [flags] REF FILE[:TYPE]...",
		Short:   "Store files in a registry or layout, under a tag of their own",
		GroupID: groupMove,
		Long: `Store files and directories under a tag, as an artifact of one of two forms.
The image form (the default) packs them as the layers of an ordinary image, so
that every registry takes them; the same files always give the same digest. The
artifact form stores each file as it is, under the media type that follows its
name, as oras does; there are registries that refuse it.

What is stored so can be signed, attested, copied and verified like an image.
A tag that exists is moved to the new content. 'oci:DIR:TAG' makes the layout
where there is none. 'hallmark pull' fetches the files.`,
		Example: `  hallmark push registry.example/team/policy:1.0 policy.rego data/
  hallmark push registry.example/team/filter:1.0 filter.wasm:application/wasm --as artifact --type application/vnd.example.filter
  hallmark push oci:./layout:1.0 notes.txt -a org.opencontainers.image.source=https://example.com/notes`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error { return job.run(cmd.Context(), args[0], args[1:]) },
	}
	job.target.bindBare(cmd, app)
	job.target.push = true
	job.pack.bind(cmd)
	job.out.bind(cmd, app, "text", "json")
	return cmd
}

type pushJob struct {
	app    *App
	target target
	pack   packing
	out    render
}

func (j *pushJob) run(ctx context.Context, ref string, files []string) error {
	ctx, cancel := j.app.context(ctx)
	defer cancel()
	m, err := j.pack.manifest(ctx, files, nil)
	if err != nil {
		return err
	}
	raw, parts, err := m.Encode()
	if err != nil {
		return err
	}
	place, tag, err := j.target.publisher(ctx, ref)
	if err != nil {
		return err
	}
	s, err := place.Publish(ctx, tag, attach.Manifest{Raw: raw, Desc: v1.Descriptor{MediaType: artifact.ManifestType}}, parts...)
	if err != nil {
		return fmt.Errorf("push %s: %w", ref, j.pack.refused(err))
	}
	j.app.tracef("%s is %s", ref, s)
	return j.out.print(report.NewPushed(ref, s, m, j.pack.names))
}

// packing is the group of flags that say how files become an artifact.
type packing struct {
	form        string
	kind        string
	config      string
	annotations []string
	names       []string // of what was packed, in order
}

func (p *packing) bind(cmd *cobra.Command) {
	flags := cmd.Flags()
	enum(cmd, &p.form, "as", "", []string{string(artifact.ImageForm), string(artifact.ArtifactForm)}, "form of the stored object")
	flags.StringVar(&p.kind, "type", "", "media type that says what the artifact is as a whole")
	flags.StringVar(&p.config, "config", "", "FILE:TYPE to store as the config of the artifact form, in place of an empty one")
	flags.StringArrayVarP(&p.annotations, "annotations", "a", nil, "name=value to write into the manifest; repeatable")
}

// mediaType is the form of media types (RFC 6838, section 4.2). This and the like are
// compiled when they are asked for: most runs of the program ask for none.
var mediaType = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}$`)
})

// manifest packs the files.
func (p *packing) manifest(ctx context.Context, files []string, subject *v1.Descriptor) (artifact.Manifest, error) {
	m := artifact.Manifest{Form: artifact.Form(p.form), Type: p.kind, Subject: subject}
	var err error
	if m.Annotations, err = annotations(p.annotations); err != nil {
		return m, err
	}
	if err := p.check(); err != nil {
		return m, err
	}
	sources := make([]artifact.Source, len(files))
	for i, arg := range files {
		if sources[i], err = source(arg); err != nil {
			return m, err
		}
		p.names = append(p.names, sources[i].Name)
		if sources[i].MediaType != "" && m.Form == artifact.ImageForm {
			return m, usagef("%s: in the image form all files are layers of an image; types of files go with --as artifact", arg)
		}
	}
	if p.config != "" {
		s, err := source(p.config)
		if err != nil {
			return m, err
		}
		if m.ConfigType = s.MediaType; s.MediaType == "" {
			return m, usagef("--config %s: say of what type it is: FILE:TYPE", p.config)
		}
		if m.Config, err = attach.File(s.Path); err != nil {
			return m, err
		}
	}
	pack := artifact.PackArchives
	if m.Form == artifact.ArtifactForm {
		pack = artifact.PackFiles
	}
	m.Layers, err = pack(ctx, sources)
	return m, err
}

func (p *packing) check() error {
	switch {
	case p.kind != "" && !mediaType().MatchString(p.kind):
		return usagef("--type %q is no media type", p.kind)
	case p.form == string(artifact.ImageForm) && p.config != "":
		return usagef("--config goes with --as artifact; the image form has the config of an image")
	case p.form == string(artifact.ArtifactForm) && p.kind == "" && p.config == "":
		return usagef("--as artifact: say what the artifact is with --type MEDIATYPE")
	}
	return nil
}

// source reads a FILE or FILE:TYPE argument. A file of exactly that name wins.
func source(arg string) (artifact.Source, error) {
	path, typ := arg, ""
	if _, err := os.Lstat(arg); errors.Is(err, fs.ErrNotExist) {
		if i := strings.LastIndex(arg, ":"); i > 0 && mediaType().MatchString(arg[i+1:]) {
			path, typ = arg[:i], arg[i+1:]
		}
	}
	if _, err := os.Stat(path); err != nil {
		return artifact.Source{}, err
	}
	return artifact.Source{Path: path, Name: artifact.NameOf(path), MediaType: typ}, nil
}

// refused adds to the refusal of a form what would be taken instead.
func (p *packing) refused(err error) error {
	if p.form == string(artifact.ArtifactForm) && errors.Is(err, attach.ErrMalformed) {
		return fmt.Errorf("%w; a registry that refuses artifacts takes the same files with --as image", err)
	}
	return err
}
