package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/attach/transfer"
	"github.com/hallmark-oci/hallmark/cmd/hallmark/internal/report"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/sign/keyless"
	"github.com/hallmark-oci/hallmark/verify/revocation"
	"github.com/hallmark-oci/hallmark/verify/tuf"
)

// The exit codes. They are part of the interface: 1 is a definite no, 2 says
// that no answer could be had.
const (
	exitYes          = 0
	exitNo           = 1
	exitUndetermined = 2
	exitUsage        = 64
	exitInterrupted  = 130
)

// errUsage marks errors in how hallmark was called.
var errUsage = errors.New("usage")

// usageError is an error in how hallmark was called.
type usageError struct{ msg string }

// Error implements error.
func (e usageError) Error() string { return e.msg }

// Is makes errors.Is(err, errUsage) true.
func (e usageError) Is(target error) bool { return target == errUsage }

func usagef(format string, args ...any) error { return usageError{fmt.Sprintf(format, args...)} }

// codeError carries an exit code. Its report was printed already.
type codeError int

// Error implements error.
func (e codeError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// exit prints the error and returns the exit code. It is the only table from
// errors to exit codes and hints.
func (app *App) exit(ctx context.Context, cmd *cobra.Command, err error) int {
	var code codeError
	answered := errors.As(err, &code)
	interrupted := errors.Is(context.Cause(ctx), errInterrupted)
	switch {
	case err == nil:
		return exitYes
	case answered && (code != exitUndetermined || !interrupted):
		return int(code)
	}
	f := report.Failure{Error: oneLine(err), Reason: reasonOf(err), Hint: hintFor(cmd, err), ExitCode: exitUndetermined}
	switch {
	case interrupted:
		f = report.Failure{Error: "interrupted", Hint: "run the same command again to complete what was begun", ExitCode: exitInterrupted}
	case errors.Is(err, errUsage), tuf.ReasonOf(err) == tuf.Misused:
		f.ExitCode = exitUsage
	case errors.Is(err, transfer.ErrExists), errors.Is(err, errDeclined):
		f.ExitCode = exitNo
	}
	return app.fail(cmd, f, answered)
}

// reasonOf returns the machine-readable code of an error, empty where it has none.
func reasonOf(err error) string {
	var r *keyless.Refusal
	if errors.As(err, &r) {
		return string(r.Reason)
	}
	var list *revocation.Refusal
	if errors.As(err, &list) {
		return string(list.Reason)
	}
	return string(tuf.ReasonOf(err))
}

// fail prints the failure on stderr, and as a document on stdout where one was
// asked for and none was printed yet.
func (app *App) fail(cmd *cobra.Command, f report.Failure, answered bool) int {
	// Where nobody listens the exit code, which is never 0 here, still tells.
	_ = report.Write(app.Err, "text", f)
	if !answered && wantsJSON(cmd) {
		_ = report.Write(app.Out, "json", f)
	}
	return f.ExitCode
}

// wantsJSON reports whether the command was to print a JSON document on stdout.
func wantsJSON(cmd *cobra.Command) bool {
	if cmd == nil {
		return false
	}
	format, output := cmd.Flags().Lookup("format"), cmd.Flags().Lookup("output")
	return format != nil && format.Value.String() == "json" && (output == nil || output.Value.String() == "-")
}

// errInterrupted is the cause of a context that a signal ended.
var errInterrupted = errors.New("interrupted")

// errDeclined says that a person was asked and said no.
var errDeclined = errors.New("you said no: nothing was signed")

// Interrupted is the cause that main gives a context when a signal ends it.
func Interrupted() error { return errInterrupted }

// hintFor says what to do next.
func hintFor(cmd *cobra.Command, err error) string {
	var list *revocation.Refusal
	switch {
	case errors.As(err, &list):
		return "get the present list from who keeps it; what is revoked cannot be told without it"
	case errors.Is(err, errUsage):
		if cmd != nil {
			return fmt.Sprintf("see '%s --help'", cmd.CommandPath())
		}
	case errors.Is(err, transfer.ErrExists):
		return "choose another tag, or leave --no-clobber out to move this one; nothing was written"
	case errors.Is(err, key.ErrPassword):
		return "set HALLMARK_PASSWORD to the password that the key was made with"
	case errors.Is(err, attach.ErrRemoved):
		return "give it an identity of its own with --again"
	case errors.Is(err, attach.ErrForm) && formHint(cmd) != "":
		return formHint(cmd)
	case errors.Is(err, attach.ErrDenied):
		return "log in to the registry (docker login, or the credential helper of your registry) and check that the account may do this"
	case errors.Is(err, attach.ErrUnconfirmed):
		return "run the same command again: it adds nothing twice"
	case errors.Is(err, attach.ErrNotFound):
		return "check the name; nothing was written"
	case errors.Is(err, fs.ErrExist):
		return "choose another name, or use --force to replace it"
	case errors.Is(err, context.DeadlineExceeded):
		return "try again, or raise --timeout"
	case tuf.ReasonOf(err) != "":
		return trustHint(cmd, err)
	}
	return ""
}

// oneLine keeps an error on one line: whatever a registry or a file put into it
// cannot start a line that looks like ours.
func oneLine(err error) string {
	s := report.Clean(err.Error())
	const limit = 2000
	if len(s) > limit {
		s = s[:limit] + "..."
	}
	return s
}
