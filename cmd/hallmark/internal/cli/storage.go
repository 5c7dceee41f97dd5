package cli

import (
	"github.com/spf13/cobra"

	"github.com/hallmark-oci/hallmark/attach"
)

// storage is the group of flags that say in which form attachments are kept.
type storage struct {
	app  *App
	in   string
	form string
}

// bind declares --storage.
func (s *storage) bind(cmd *cobra.Command, app *App) {
	s.app = app
	words := make([]string, 0, len(attach.Storages()))
	for _, in := range attach.Storages() {
		words = append(words, string(in))
	}
	enum(cmd, &s.in, "storage", "", words,
		"keep it under cosign's tags, which every registry has, or as OCI 1.1 referrers, which cosign 3 reads")
}

// bindBundles declares --bundle-format too, for commands that sign.
func (s *storage) bindBundles(cmd *cobra.Command, app *App) {
	s.bind(cmd, app)
	enum(cmd, &s.form, "bundle-format", "", []string{bundleFormat},
		"version of the Sigstore bundles that --storage referrers writes")
}

// bundleFormat is the one version of bundles that is written; older ones are read.
const bundleFormat = "v0.3"

// get returns the storage, and warns where the choice has a price.
func (s *storage) get() attach.Storage {
	in := attach.Storage(s.in)
	if in.Referrers() && s.form != "" {
		s.app.notef("warning: where a Sigstore bundle hangs from an image, cosign 2 no longer accepts the signatures under its own tags; cosign 3 reads the bundle, and hallmark reads both")
	}
	return in
}
