// Command hallmark-policy runs the parts of ClusterImagePolicies that are written in
// CUE and Rego. It is started by hallmark, which does not link these languages, and is
// a Go module of its own: who uses hallmark as a library inherits neither.
//
// Requests come on standard input, one JSON document a line, and each is answered by
// one line on standard output; protocol.go says what stands in them. At the end of its
// input it ends. A part means what the Sigstore policy-controller takes it to mean,
// down to the text of refusals; see cue.go and rego.go.
//
// # What a part can do
//
// It can compute. It is given the document that it judges and the time, and nothing
// else: no network, no file, no environment, no randomness. The languages are asked
// first, and what they are not given is reported as unsupported, by name; the system is
// told second: on Linux the process gives up opening files and sockets, its processor
// time and its memory are limited, and what goes over the limit ends it. Whoever started
// it takes an end without an answer for "cannot tell", and keeps the clock.
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	_ "time/tzdata" // policies convert between time zones, and no file is read for that
)

// Exit codes. A crash of the Go runtime ends in 2.
const (
	exitDone   = 0
	exitFailed = 1
	exitMemory = 3 // more memory than is given
	exitTime   = 4 // more processor time than is given
	exitUsage  = 64
)

func main() { os.Exit(run(os.Args[1:])) }

// run serves requests until there are no more, or until too much memory is used.
func run(args []string) int {
	switch {
	case len(args) == 1 && args[0] == "version":
		describe()
		return exitDone
	case len(args) > 0:
		fmt.Fprintln(os.Stderr, "hallmark-policy is started by hallmark and takes requests on standard input; `hallmark-policy version` says what it knows")
		return exitUsage
	}
	runtime.GOMAXPROCS(min(runtime.GOMAXPROCS(0), maxProcs))
	debug.SetMaxStack(maxStack)
	if err := confine(); err != nil {
		fmt.Fprintln(os.Stderr, "hallmark-policy: limits:", err)
		return exitFailed
	}
	m, late := newMeter(), exhausted()
	done := make(chan error, 1)
	go func() { done <- serve(os.Stdin, os.Stdout, m.limited(evaluate)) }()
	select {
	case <-m.over:
		fmt.Fprintln(os.Stderr, "hallmark-policy: out of memory: the policy needs more than it is given")
		return exitMemory
	case <-late:
		fmt.Fprintln(os.Stderr, "hallmark-policy: out of time: the policy needs more processor time than it is given")
		return exitTime
	case err := <-done:
		if err != nil {
			fmt.Fprintln(os.Stderr, "hallmark-policy:", err)
			return exitFailed
		}
		return exitDone
	}
}

// describe prints the protocol and what is linked.
func describe() {
	fmt.Println("hallmark-policy, protocol", protocol)
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			switch d.Path {
			case "cuelang.org/go", "github.com/open-policy-agent/opa":
				fmt.Println(d.Path, d.Version)
			}
		}
		fmt.Println("built with", info.GoVersion)
	}
}
