package cli

import (
	"github.com/spf13/cobra"

	"github.com/hallmark-oci/hallmark/attach"
)

// storage is the group of flags that say in which form attachments are kept.
type storage struct {
	app  *App
	in   string
	as   string
	form string
}

// The forms of what is kept under tags, the default first.
const (
	cosignForm = "cosign"
	imageForm  = "image"
)

// bind declares --storage and --as.
func (s *storage) bind(cmd *cobra.Command, app *App) {
	s.app = app
	words := make([]string, 0, len(attach.Storages()))
	for _, in := range attach.Storages() {
		words = append(words, string(in))
	}
	enum(cmd, &s.in, "storage", "", words,
		"keep it under cosign's tags, which every registry has, or as OCI 1.1 referrers, which cosign 3 reads")
	enum(cmd, &s.as, "as", "", []string{cosignForm, imageForm},
		"form of what is kept under tags: cosign's, or an image whose layers are archives, for registries that take nothing else; hallmark reads both, cosign only its own")
}

// bindBundles declares --bundle-format too, for commands that sign.
func (s *storage) bindBundles(cmd *cobra.Command, app *App) {
	s.bind(cmd, app)
	enum(cmd, &s.form, "bundle-format", "", []string{bundleFormat},
		"version of the Sigstore bundles that --storage referrers writes")
}

// bundleFormat is the one version of bundles that is written; older ones are read.
const bundleFormat = "v0.3"

// load returns the storage, and whether what is kept under tags is kept in strict
// image form. It warns where the choice has a price.
func (s *storage) load() (in attach.Storage, strict bool, err error) {
	in, strict = attach.Storage(s.in), s.as == imageForm
	if strict && !in.Tags() {
		return in, strict, usagef("--as image is a form of what is kept under tags; a referrer is a manifest of its own: use --storage tags")
	}
	if s.form != "" {
		warnOfBundles(s.app, in)
	}
	return in, strict, nil
}

// warnOfBundles says what bundles among the referrers cost.
func warnOfBundles(app *App, in attach.Storage) {
	if in.Referrers() {
		app.notef("warning: where a Sigstore bundle hangs from an image, cosign 2 no longer accepts the signatures under its own tags; cosign 3 reads the bundle, and hallmark reads both")
	}
}

// formHint says what to do where a registry refuses a manifest; "" where the command
// has no choice of forms.
func formHint(cmd *cobra.Command) string {
	if cmd == nil || cmd.Flags().Lookup("storage") == nil || cmd.Flags().Lookup("as") == nil {
		return ""
	}
	return "a registry that takes images only takes the form --storage tags --as image, which hallmark reads and cosign does not"
}
