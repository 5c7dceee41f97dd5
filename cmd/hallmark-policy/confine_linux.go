package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// confine gives up what no policy needs: to open files and sockets, for which there is
// no number left, and to leave a core file behind.
func confine() error {
	for what, resource := range map[string]int{"open files": syscall.RLIMIT_NOFILE, "core files": syscall.RLIMIT_CORE} {
		if err := syscall.Setrlimit(resource, &syscall.Rlimit{}); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	return nil
}

// exhausted returns where it is told that the processor time is used up: the Go runtime
// would pass over it.
func exhausted() <-chan os.Signal {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGXCPU)
	return c
}

// bound limits the memory of the process, in bytes, and the processor time that it may
// use from now on, in seconds. The address space as a whole is no measure: the Go runtime
// reserves more of it than it ever uses.
func bound(memory, seconds int64) error {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return fmt.Errorf("processor time: %w", err)
	}
	spent := used.Utime.Nano() + used.Stime.Nano()
	if err := soft(syscall.RLIMIT_CPU, uint64(spent/1e9+1+seconds)); err != nil {
		return fmt.Errorf("processor time: %w", err)
	}
	if err := soft(syscall.RLIMIT_DATA, uint64(memory+spareMemory)); err != nil {
		return fmt.Errorf("memory: %w", err)
	}
	return nil
}

// soft sets a limit that can be set again, within that of who started the process.
func soft(resource int, value uint64) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(resource, &limit); err != nil {
		return err
	}
	limit.Cur = min(value, limit.Max)
	return syscall.Setrlimit(resource, &limit)
}
