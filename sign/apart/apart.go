// Package apart keeps programs that are started, and all that they start in turn, in a
// group of their own, so that they can be ended as a whole: a program that is waited for
// no longer leaves nothing behind that goes on, or that holds its streams open.
//
// A program in a group of its own is in the background of a terminal, and can ask
// nothing there.
package apart

import "os/exec"

// Set puts the process that is to be started into a group of its own. On systems without
// groups it does nothing.
func Set(cmd *exec.Cmd) { set(cmd) }

// End ends the process, which was started after [Set], and all that it started and that
// stayed in its group; on systems without groups the process alone. That nobody is left
// is an error of the system's.
func End(cmd *exec.Cmd) error { return end(cmd) }
