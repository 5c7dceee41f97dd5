//go:build !unix

package plugin

import "os/exec"

// apart leaves the process where it is: there are no groups here.
func apart(*exec.Cmd) {}

// endGroup kills the process.
func endGroup(cmd *exec.Cmd) error { return cmd.Process.Kill() }
