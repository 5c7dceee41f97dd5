package term

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
)

// ErrNoBrowser says that no browser can be opened here.
var ErrNoBrowser = errors.New("no browser to open")

// maxReply is the longest line that is taken for an answer, in bytes.
const maxReply = 64

// Confirm writes the question to out and reads one line from in, which has to be "y"
// or "yes" for true. It returns ErrNoTerminal where in is no terminal: nobody was
// asked, which is no consent. It ends with the context.
func Confirm(ctx context.Context, in io.Reader, out io.Writer, question string) (bool, error) {
	if !Is(in) {
		return false, ErrNoTerminal
	}
	fmt.Fprint(out, question)
	return agreed(ctx, in)
}

// agreed reads the answer, and no byte behind its line.
func agreed(ctx context.Context, in io.Reader) (bool, error) {
	type reply struct {
		line []byte
		err  error
	}
	done := make(chan reply, 1)
	go func() {
		var r reply
		for one := make([]byte, 1); len(r.line) < maxReply; r.line = append(r.line, one[0]) {
			if _, r.err = io.ReadFull(in, one); r.err != nil || one[0] == '\n' {
				break
			}
		}
		done <- r
	}()
	select {
	case r := <-done:
		if r.err != nil && !errors.Is(r.err, io.EOF) {
			return false, r.err
		}
		text := string(bytes.ToLower(bytes.TrimSpace(r.line)))
		return text == "y" || text == "yes", nil
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
}

// Browse opens the address, one of http or https, in the browser of the person at this
// machine, and does not wait for it. goos names the system as Go does, env is the
// environment of the browser.
func Browse(goos string, env []string, address string) error {
	command := opener(goos, env)
	if command == nil || !strings.HasPrefix(address, "https://") && !strings.HasPrefix(address, "http://") {
		return ErrNoBrowser
	}
	cmd := exec.Command(command[0], append(command[1:], address)...)
	cmd.Env = env
	if err := cmd.Start(); err != nil {
		return err
	}
	go cmd.Wait()
	return nil
}

// opener is the command that opens an address, nil where there is none. Without a
// display xdg-open would put a browser for text into this terminal.
func opener(goos string, env []string) []string {
	switch goos {
	case "darwin":
		return []string{"open"}
	case "windows":
		return []string{"rundll32", "url.dll,FileProtocolHandler"}
	}
	for _, v := range env {
		if name, value, _ := strings.Cut(v, "="); value != "" && (name == "DISPLAY" || name == "WAYLAND_DISPLAY") {
			return []string{"xdg-open"}
		}
	}
	return nil
}
