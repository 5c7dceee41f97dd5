package cli

import (
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-oci/hallmark/cmd/hallmark/internal/report"
	signer "github.com/hallmark-oci/hallmark/sign/keyless"
	"github.com/hallmark-oci/hallmark/verify/keyless"
	"github.com/hallmark-oci/hallmark/verify/tuf"
)

func newTrustCmd(app *App) *cobra.Command {
	return group("trust", "Fetch and look at what keyless signatures are trusted by", groupKeys, newTrustInitCmd(app), newTrustShowCmd(app))
}

// configDir is the folder in which hallmark keeps what belongs to the user.
func (app *App) configDir() (string, error) {
	variable, below := "XDG_CONFIG_HOME", ""
	if runtime.GOOS == "windows" {
		variable = "AppData"
	}
	dir, _ := app.LookupEnv(variable)
	if dir == "" {
		variable, below = "HOME", ".config"
		if runtime.GOOS == "darwin" {
			below = filepath.Join("Library", "Application Support")
		}
		dir, _ = app.LookupEnv(variable)
	}
	if !filepath.IsAbs(dir) {
		return "", usagef("%s is %q and names no folder in which trust could be kept", variable, dir)
	}
	return filepath.Join(dir, below, "hallmark"), nil
}

// fetched returns what 'trust init' has kept. Nothing is fetched here.
func (app *App) fetched() (*tuf.Material, error) {
	dir, err := app.configDir()
	if err != nil {
		return nil, err
	}
	m, err := tuf.Load(dir, app.Now())
	if err == nil {
		app.tracef("%s says what is trusted, until %s", m.Mirror, m.Expires().Expires.Format(time.RFC3339))
	}
	return m, err
}

// trustedRoot returns the trusted root of the file, or where none is named the one
// that was fetched, and what it is called in messages.
func (app *App) trustedRoot(path string) (raw []byte, name string, err error) {
	if path != "" {
		name = "--trusted-root " + path
		if raw, err = readFile(path, keyless.MaxRoot); err != nil {
			err = usagef("%s: %v", name, err)
		}
		return raw, name, err
	}
	m, err := app.fetched()
	if tuf.ReasonOf(err) == tuf.None {
		err = usagef("nothing says which authorities may issue certificates: give --trusted-root FILE, or run 'hallmark trust init' once")
	}
	if err != nil {
		return nil, "", err
	}
	return m.TrustedRoot, "the trusted root of " + m.Mirror, nil
}

// signingConfig does the same for the services that sign without a key.
func (app *App) signingConfig(path string) (raw []byte, name string, err error) {
	if path != "" {
		name = "--signing-config " + path
		if raw, err = readFile(path, signer.MaxServices); err != nil {
			err = usagef("%s: %v", name, err)
		}
		return raw, name, err
	}
	m, err := app.fetched()
	switch {
	case tuf.ReasonOf(err) == tuf.None:
		return nil, "", usagef("signing without a key needs services to ask: give --signing-config FILE, or run 'hallmark trust init' once")
	case err != nil:
		return nil, "", err
	case m.SigningConfig == nil:
		return nil, "", usagef("%s names no services to sign with: give --signing-config FILE", m.Mirror)
	}
	return m.SigningConfig, "the signing configuration of " + m.Mirror, nil
}

func newTrustInitCmd(app *App) *cobra.Command {
	var out render
	var mirror, root string
	cmd := &cobra.Command{
		Use:   "init [flags]",
		Short: "Fetch the trusted root of a Sigstore instance and keep it",
		Long: `Fetch the trusted root of a Sigstore instance from its TUF repository, and the
signing configuration that goes with it, and keep both in the user's
configuration folder, so that verifying needs no network. Without flags the
instance of the last time is asked again; the first time it is Sigstore's
public one, whose first root is built in.

What the mirror says is verified from the root on: signatures, thresholds,
expiry, and that nothing is older than what it said before. When that fails,
what was kept stays. Nothing is fetched by any other command: when the metadata
expire, verifying without --trusted-root ends in exit code 2 until this is run
again.`,
		Example: `  hallmark trust init
  hallmark trust init --mirror https://tuf.example.com --root root.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := app.configDir()
			if err != nil {
				return err
			}
			o := tuf.Options{Mirror: mirror, Transport: app.Transport, Now: app.Now(), Check: func(raw []byte) error {
				_, err := keyless.ParseRoot(raw)
				return err
			}}
			if root != "" {
				if o.Root, err = readFile(root, tuf.MaxRoot); err != nil {
					return err
				}
			}
			ctx, cancel := app.context(cmd.Context())
			defer cancel()
			m, err := tuf.Init(ctx, dir, o)
			if err != nil {
				return err
			}
			return out.print(report.NewTrust(m, tuf.File(dir)))
		},
	}
	out.bind(cmd, app, "text", "json")
	cmd.Flags().StringVar(&mirror, "mirror", "", "URL of the TUF repository")
	cmd.Flags().StringVar(&root, "root", "", "root.json of the repository, of any age, had from its operator")
	return cmd
}

// trustHint says what to do where no trusted root can be had.
func trustHint(cmd *cobra.Command, err error) string {
	starting := cmd != nil && cmd.Name() == "init"
	switch tuf.ReasonOf(err) {
	case tuf.Misused:
		return "name the mirror with --mirror and a root that was had from elsewhere with --root"
	case tuf.None:
		return "run 'hallmark trust init' once, or name a file with --trusted-root"
	case tuf.Expired:
		if !starting {
			return "run 'hallmark trust init' to fetch the present state, or name a file that you trust with --trusted-root"
		}
		return "the mirror is stale, or this machine's clock is wrong; nothing was changed"
	case tuf.Rollback, tuf.Unsigned, tuf.Mismatch:
		return "the mirror or the file is not what its root vouches for: ask the operator; nothing was changed"
	case tuf.Unreachable:
		return "check the mirror's URL and the network; nothing was changed"
	case "":
		return ""
	}
	return "nothing was changed"
}

func newTrustShowCmd(app *App) *cobra.Command {
	var out render
	cmd := &cobra.Command{
		Use:   "show [flags]",
		Short: "Show the trusted root that was fetched, and until when it holds",
		Long: `Show where the trusted root was fetched from, by which metadata it is vouched
for, and until when they hold. The documents themselves are printed with
-f trusted-root and -f signing-config: as files they hold for as long as you
trust them, and are named with --trusted-root and --signing-config.`,
		Example: `  hallmark trust show
  hallmark trust show -f trusted-root -o trusted_root.json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			m, err := app.fetched()
			if err != nil {
				return err
			}
			dir, err := app.configDir()
			if err != nil {
				return err
			}
			doc := m.TrustedRoot
			switch out.format {
			case "text", "json":
				return out.print(report.NewTrust(m, tuf.File(dir)))
			case "signing-config":
				if doc = m.SigningConfig; doc == nil {
					return fmt.Errorf("print the signing configuration: %s has none", m.Mirror)
				}
			}
			return out.write(func(w io.Writer) error {
				_, err := w.Write(doc)
				return err
			})
		},
	}
	out.bind(cmd, app, "text", "json", "trusted-root", "signing-config")
	return cmd
}
