//go:build unix

package plugin

import (
	"os/exec"
	"syscall"
)

// apart puts the process that is to be started into a group of its own, and has
// all of the group killed when its context ends.
func apart(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return endGroup(cmd) }
}

// endGroup kills the process and all that it started and that stayed in its group.
func endGroup(cmd *exec.Cmd) error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
