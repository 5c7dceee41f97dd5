//go:build race

package main

// underRace says that the race detector is in this test and so in the program: it
// takes several times the memory.
const underRace = true
