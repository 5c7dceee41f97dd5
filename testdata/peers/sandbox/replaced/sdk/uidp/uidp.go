// Package uidp takes the place of a package that only tests of Fulcio import and
// that cannot always be downloaded: "go mod tidy" wants to see it, no program
// here is built with it.
package uidp
