// Package storetest is what stores are tested with: the contract that each of
// them keeps, and a registry that misbehaves on demand.
//
// [Run] is the contract. It says in tests what the documentation of
// attach.Store says in words, and every store runs it in its own tests.
//
// [Start] starts a registry with quirks: each one is a way in which a real
// registry was seen to differ, with a function of this package to switch it on.
// A store passes when it works in spite of the quirk, or when it fails with an
// error that names the reason and nothing that was there is gone.
package storetest
