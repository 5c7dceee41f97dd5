package lab

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// measureFlag makes a program that calls Main a wrapper that runs one command
// and tells what it cost. A wrapper is needed because a child counts the memory
// of its parent as its own until it has started: the wrapper is small, the
// program that holds a registry is not.
const measureFlag = "--lab-measure"

// measured is what the wrapper writes down.
type measured struct {
	Code int
	CPU  time.Duration
	Wall time.Duration
	RSS  int64
}

// Main must be called first by every program that uses Run.
func Main() {
	if len(os.Args) < 4 || os.Args[1] != measureFlag {
		return
	}
	if err := measure(os.Args[2], os.Args[3], os.Args[4:]); err != nil {
		fmt.Fprintln(os.Stderr, "measure:", err)
		os.Exit(125)
	}
	os.Exit(0)
}

func measure(into, path string, args []string) error {
	cmd := exec.Command(path, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	start := time.Now()
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		return err
	}
	state := cmd.ProcessState
	m := measured{Code: state.ExitCode(), CPU: state.UserTime() + state.SystemTime(), Wall: time.Since(start)}
	if u, ok := state.SysUsage().(*syscall.Rusage); ok {
		m.RSS = int64(u.Maxrss) * 1024
	}
	raw, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return os.WriteFile(into, raw, 0o600)
}
