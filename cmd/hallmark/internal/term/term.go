// Package term is the one place that knows what a terminal is: whether a
// stream is one, and how to ask there for a secret without showing it.
package term

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// ErrNoTerminal says that there is nobody to ask.
var ErrNoTerminal = errors.New("no terminal to ask on")

// Is reports whether the stream is a terminal.
func Is(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// AskSecret writes the prompt to out and reads one line from in without echo.
// It returns ErrNoTerminal where in is no terminal, so that a pipeline never
// hangs on a question and no secret is taken from a stream by accident.
func AskSecret(in io.Reader, out io.Writer, prompt string) ([]byte, error) {
	if !Is(in) {
		return nil, ErrNoTerminal
	}
	fmt.Fprint(out, prompt)
	defer fmt.Fprintln(out)
	return term.ReadPassword(int(in.(*os.File).Fd()))
}
