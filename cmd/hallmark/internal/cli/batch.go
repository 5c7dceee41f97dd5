package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/registry"
	"github.com/hallmark-oci/hallmark/cmd/hallmark/internal/term"
)

// images is the group of flags that name images beside the arguments, and what
// works on all of them.
type images struct {
	*target
	from       string
	repository string
	// skip says of a name that it is answered for without opening an image.
	skip func(name string) bool
}

// The bounds of what is worked on by one command.
const (
	// maxImages is how many images one command works on.
	maxImages = 100_000
	// maxName is the length of the longest line in a file of names, in bytes.
	maxName = 2048
	// parallelImages is how many images are worked on at once, or fewer where
	// --parallel says so.
	parallelImages = 16
	// aheadImages is how many answers are kept for their turn.
	aheadImages = 64
	// windowImages is how many images of a repository are resolved before the
	// attachments of those are looked for.
	windowImages = 1000
)

// bind declares --from and --repository, and what arguments there may be.
func (g *images) bind(cmd *cobra.Command, t *target) {
	g.target = t
	cmd.Flags().StringVar(&g.from, "from", "", "file with more images, one on each line, # begins a comment; - is standard input")
	cmd.Flags().StringVar(&g.repository, "repository", "", "all images of this repository that have a tag: registry/repository or oci:DIR")
	cmd.Args = func(_ *cobra.Command, args []string) error {
		if len(args) == 0 && g.from == "" && g.repository == "" {
			return errors.New("no image: name one or more, or give --from FILE or --repository REPOSITORY")
		}
		return nil
	}
}

// A named is an image as the user named it, or as it was found in a repository.
type named struct {
	name  string
	found bool
}

// one reports whether the command is about the one image of the one argument.
func (g *images) one(list []named) bool { return len(list) == 1 && !list[0].found }

// names returns all images: those of the arguments, of the file, of the
// repository. A wrong name is found before anything is done.
func (g *images) names(ctx context.Context, args []string) ([]named, error) {
	var list []named
	for _, arg := range args {
		if err := g.checkName(arg); err != nil {
			return nil, err
		}
		list = append(list, named{name: arg})
	}
	if g.from != "" {
		more, err := g.read()
		if err != nil {
			return nil, err
		}
		list = append(list, more...)
	}
	if g.repository != "" {
		more, err := g.tags(ctx)
		if err != nil {
			return nil, err
		}
		list = append(list, more...)
	}
	switch {
	case len(list) > maxImages:
		return nil, usagef("%d images, the limit is %d: work on them in parts", len(list), maxImages)
	case len(list) == 0 && g.repository == "":
		return nil, usagef("%s names no image", g.from)
	}
	return list, nil
}

func (g *images) skips(name string) bool { return g.skip != nil && g.skip(name) }

func (g *images) checkName(name string) error {
	if g.skips(name) {
		return nil
	}
	return g.check(name)
}

// read reads the file of --from.
func (g *images) read() ([]named, error) {
	in := g.app.In
	if g.from != "-" {
		f, err := os.Open(g.from)
		if err != nil {
			return nil, usagef("--from: %v", err)
		}
		defer f.Close()
		in = f
	}
	list, err := g.lines(in)
	if err != nil {
		return nil, usagef("--from %s: %v", g.from, err)
	}
	return list, nil
}

func (g *images) lines(in io.Reader) ([]named, error) { return nameLines(in, g.checkName) }

// nameLines reads names, one on each line. # begins a comment. The first name that
// check refuses is the error.
func nameLines(in io.Reader, check func(string) error) ([]named, error) {
	var list []named
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 0, maxName), maxName)
	for n := 1; lines.Scan(); n++ {
		name, _, _ := strings.Cut(lines.Text(), "#")
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		if err := check(name); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if list = append(list, named{name: name}); len(list) > maxImages {
			return nil, fmt.Errorf("line %d: more than %d images", n, maxImages)
		}
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return nil, fmt.Errorf("a line of more than %d characters", maxName)
	} else if err != nil {
		return nil, err
	}
	return list, nil
}

// tags lists the images of --repository. What has a tag that is made of a digest
// is something that hangs from an image.
func (g *images) tags(ctx context.Context) ([]named, error) {
	store, err := g.openRepository(g.repository)
	if err != nil {
		return nil, err
	}
	tags, err := store.Tags(ctx)
	if err != nil {
		return nil, err
	}
	var list []named
	for _, tag := range tags {
		if attach.NamesImage(tag) {
			list = append(list, named{g.repository + ":" + tag, true})
		}
	}
	g.app.notef("%s has %d tags: %d name images, %d what hangs from them", g.repository, len(tags), len(list), len(tags)-len(list))
	return list, nil
}

// An opened image is one that was resolved, or the reason why not.
type opened struct {
	at named
	image
	err error
	// reader reads what is attached. For the images of a repository it is one that
	// asks for the tags of many at once.
	reader attach.Reader
}

// each does the job for all images, several at once, and yields what came of them
// in their order. What the
// repository lists and does not have is left out, with a note: it is a tag that
// was deleted since, or none.
func each[R any](ctx context.Context, g *images, what string, list []named, job func(context.Context, opened) R) iter.Seq2[named, R] {
	return func(yield func(named, R) bool) {
		bar := g.app.bar(what, len(list))
		defer bar.Clear()
		slots := make(chan struct{}, max(1, min(g.parallel, parallelImages)))
		inSlot := func(f func()) {
			slots <- struct{}{}
			defer func() { <-slots }()
			f()
		}
		for len(list) > 0 {
			window := list[:min(len(list), windowImages)]
			list = list[len(window):]
			open, done := g.windowed(ctx, window, inSlot)
			plan := func(i int) func(context.Context) R {
				return func(ctx context.Context) (r R) {
					inSlot(func() { r = job(ctx, open(ctx, i)) })
					bar.Step()
					return r
				}
			}
			for i, r := range attach.Ahead(ctx, aheadImages, indices(len(window)), plan) {
				if done(i) {
					continue
				}
				if term.Is(g.app.Out) {
					bar.Clear()
				}
				if !yield(window[i], r) {
					return
				}
			}
		}
	}
}

func indices(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

// windowed returns what opens the images of a window, and what tells of those
// that turned out not to be there. Images of a repository are opened at once,
// before the list of what is attached to them is asked for.
func (g *images) windowed(ctx context.Context, window []named, inSlot func(func())) (open func(context.Context, int) opened, gone func(int) bool) {
	one := func(ctx context.Context, n named) opened {
		o := opened{at: n}
		if g.skips(n.name) {
			return o
		}
		o.image, o.err = g.open(ctx, n.name)
		o.reader = o.image
		return o
	}
	early := make([]*opened, len(window))
	plan := func(i int) func(context.Context) opened {
		if !window[i].found {
			return nil
		}
		return func(ctx context.Context) (o opened) {
			inSlot(func() { o = one(ctx, window[i]) })
			return o
		}
	}
	if window[len(window)-1].found {
		for i, o := range attach.Ahead(ctx, aheadImages, indices(len(window)), plan) {
			if window[i].found {
				early[i] = &o
			}
		}
	}
	readers := make(map[attach.Store]attach.Reader)
	for _, o := range early {
		if o == nil || o.err != nil {
			continue
		}
		if s, ok := o.Store.(*registry.Store); ok {
			if readers[s] == nil {
				readers[s] = s.Listed()
			}
			o.reader = readers[s]
		}
	}
	open = func(ctx context.Context, i int) opened {
		if early[i] != nil {
			return *early[i]
		}
		return one(ctx, window[i])
	}
	gone = func(i int) bool {
		if early[i] == nil || early[i].Store != nil || !errors.Is(early[i].err, attach.ErrNotFound) {
			return false
		}
		g.app.notef("%s is left out: the repository lists the tag and has no manifest for it", window[i].name)
		return true
	}
	return open, gone
}

// bar returns a progress bar for that many jobs, nil where none is to be shown.
func (app *App) bar(what string, total int) *term.Bar {
	if app.global.quiet {
		return nil
	}
	return term.NewBar(app.Err, what, total)
}

// complain says on stderr why nothing came of one image of several.
func (app *App) complain(err error) {
	app.notef("error: %s", oneLine(err))
	if hint := hintFor(nil, err); hint != "" {
		app.notef("hint: %s", hint)
	}
}
