// Package cli is hallmark's command tree. One file holds one command: it
// declares the flags, makes one call into the library, and hands the result to
// package report. Nothing but this package knows flags; nothing but [App]
// knows the environment and the streams.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hallmark-oci/hallmark/cmd/hallmark/internal/report"
	"github.com/hallmark-oci/hallmark/cmd/hallmark/internal/term"
	"github.com/hallmark-oci/hallmark/verify/policy"
)

// App is what a command may use of the world around it.
type App struct {
	In        io.Reader
	Out       io.Writer // the answer
	Err       io.Writer // notes, questions, errors
	LookupEnv func(string) (string, bool)
	// Environ returns the environment that plug-ins for key services are started in;
	// nil means an empty one, in which there are none.
	Environ func() []string
	// Evaluator returns what runs the parts of policies in CUE and Rego, and tells them the
	// time by the clock; nil means that nothing does.
	Evaluator func(now func() time.Time) policy.Evaluator
	Now       func() time.Time
	// Transport carries all requests to registries. nil means Go's default.
	Transport http.RoundTripper
	Version   report.Version

	global globalFlags
	named  []string // variables that the command line names, see variables
}

// globalFlags hold for every command.
type globalFlags struct {
	quiet   bool
	verbose bool
	timeout time.Duration
}

// Run executes the command line and returns the exit code. Errors are printed
// on Err. A panic ends in exit code 2 and never looks like success.
func (app *App) Run(ctx context.Context, args []string) (code int) {
	defer func() {
		if r := recover(); r != nil {
			app.line("internal error: %v", r)
			app.line("hint: this is a fault in hallmark; nothing can be said about the image")
			code = exitUndetermined
		}
	}()
	app.named = variables(args)
	root := app.root()
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	return app.exit(ctx, cmd, err)
}

// root builds the command tree.
func (app *App) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "hallmark",
		Short: "Find out what a container image is made of, stamp it, and check the stamp",
		Long: `hallmark takes the inventory of a container image (an SBOM), signs image and
inventory, keeps both beside the image in its registry, and verifies them
anywhere. It works on any registry and on OCI layout directories.`,
		Example: `  hallmark key generate
  hallmark seal registry.example/app:1.0 --key hallmark.key
  hallmark verify registry.example/app:1.0 --key hallmark.pub
  hallmark list registry.example/app:1.0`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cmd.Help()
		},
	}
	root.SetIn(app.In)
	root.SetOut(app.Out)
	root.SetErr(app.Err)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%s: %v", cmd.CommandPath(), err)
	})
	flags := root.PersistentFlags()
	flags.BoolVarP(&app.global.quiet, "quiet", "q", false, "print no notes on stderr")
	flags.BoolVarP(&app.global.verbose, "verbose", "v", false, "print what is being done on stderr")
	flags.DurationVar(&app.global.timeout, "timeout", 10*time.Minute, "give up after this long; 0 means never")
	root.CompletionOptions.HiddenDefaultCmd = false
	root.AddGroup(
		&cobra.Group{ID: groupMake, Title: "Make an inventory, stamp and attach:"},
		&cobra.Group{ID: groupAsk, Title: "Ask about images:"},
		&cobra.Group{ID: groupMove, Title: "Move images and files:"},
		&cobra.Group{ID: groupKeep, Title: "Keep what is attached in order:"},
		&cobra.Group{ID: groupRegistry, Title: "Registries:"},
		&cobra.Group{ID: groupKeys, Title: "Keys and trust:"},
		&cobra.Group{ID: groupOther, Title: "This program:"},
	)
	root.AddCommand(
		newSealCmd(app), newVerifyCmd(app), newCheckCmd(app), newPolicyCmd(app), newAdmitCmd(app), newListCmd(app), newGetCmd(app),
		newSignCmd(app), newAttestCmd(app), newAttachCmd(app), newPushCmd(app), newPullCmd(app),
		newCopyCmd(app), newPackCmd(app), newUnpackCmd(app), newMigrateCmd(app), newCleanCmd(app), newRepairCmd(app),
		newKeyCmd(app), newRevokeCmd(app), newTrustCmd(app), newBlobCmd(app), newSBOMCmd(app), newRegistryCmd(app), newDoctorCmd(app), newVersionCmd(app),
	)
	root.SetHelpCommandGroupID(groupOther)
	root.SetCompletionCommandGroupID(groupOther)
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	strictArgs(root)
	return root
}

// strictArgs makes the wrong arguments of every command a usage error, also
// those of the commands that cobra brings along.
func strictArgs(cmd *cobra.Command) {
	check := cmd.Args
	if cmd.Name() == "help" {
		check = helpTopic
	}
	if !cmd.Runnable() { // cobra would print help and call that success
		cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	}
	if check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return usagef("%v", err)
			}
			return nil
		}
	}
	for _, sub := range cmd.Commands() {
		strictArgs(sub)
	}
}

// helpTopic accepts the names of commands, which cobra's own help does not check.
func helpTopic(cmd *cobra.Command, args []string) error {
	if _, rest, err := cmd.Root().Find(args); err != nil || len(rest) > 0 {
		return usagef("there is no command %q", strings.Join(args, " "))
	}
	return nil
}

// The groups of commands in the help page, by what a user wants.
const (
	groupMake     = "make"
	groupAsk      = "ask"
	groupMove     = "move"
	groupKeep     = "keep"
	groupRegistry = "registry"
	groupKeys     = "keys"
	groupOther    = "other"
)

// group is a command that only holds others: called alone it prints its help,
// and an unknown name below it is a usage error.
func group(use, short, id string, subs ...*cobra.Command) *cobra.Command {
	var examples []string
	for _, sub := range subs {
		first, _, _ := strings.Cut(sub.Example, "\n")
		examples = append(examples, first)
	}
	cmd := &cobra.Command{
		Use: use, Short: short, GroupID: id, Example: strings.Join(examples, "\n"),
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("unknown command %q for %q", args[0], cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(subs...)
	return cmd
}

// context bounds the command by --timeout.
func (app *App) context(ctx context.Context) (context.Context, context.CancelFunc) {
	if app.global.timeout <= 0 {
		return context.WithCancel(ctx)
	}
	cause := fmt.Errorf("no answer within %s (see --timeout): %w", app.global.timeout, context.DeadlineExceeded)
	return context.WithTimeoutCause(ctx, app.global.timeout, cause)
}

// notef prints a note for the user on stderr.
func (app *App) notef(format string, args ...any) {
	if !app.global.quiet {
		app.line(format, args...)
	}
}

// tracef prints what is being done, with --verbose.
func (app *App) tracef(format string, args ...any) {
	if app.global.verbose {
		app.line(format, args...)
	}
}

// line prints one line on stderr. Names that come out of images and registries
// cannot break it.
func (app *App) line(format string, args ...any) {
	fmt.Fprintf(app.Err, "hallmark: %s\n", report.Clean(fmt.Sprintf(format, args...)))
}

// password finds the password of a private key: HALLMARK_PASSWORD, then
// COSIGN_PASSWORD, then a question on the terminal. A variable that is set to
// the empty string is an empty password.
func (app *App) password(_ context.Context, prompt string) ([]byte, error) {
	for _, name := range passwordVariables() {
		if v, ok := app.LookupEnv(name); ok {
			return []byte(v), nil
		}
	}
	secret, err := term.AskSecret(app.In, app.Err, prompt)
	if errors.Is(err, term.ErrNoTerminal) {
		return nil, fmt.Errorf("%s: %w; set HALLMARK_PASSWORD", strings.TrimSuffix(prompt, ": "), err)
	}
	return secret, err
}

// passwordVariables returns the variables that may hold a password, first match wins.
func passwordVariables() []string { return []string{"HALLMARK_PASSWORD", "COSIGN_PASSWORD"} }

// passwordIsSet reports whether the environment holds a password.
func (app *App) passwordIsSet() bool {
	for _, name := range passwordVariables() {
		if _, ok := app.LookupEnv(name); ok {
			return true
		}
	}
	return false
}
