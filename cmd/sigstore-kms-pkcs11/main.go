//go:build pkcs11 && cgo

// Command sigstore-kms-pkcs11 uses keys on PKCS #11 tokens. Tools that know Sigstore's
// plug-ins start it for keys that are named pkcs11:token=...;object=..., as RFC 7512
// has it. See package pkcs11 for what it takes from the environment. It is built with
// the tag pkcs11 and a C compiler.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/hallmark-oci/hallmark/sign/key/pkcs11"
)

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	os.Exit(pkcs11.Main(ctx, os.Args[1:], os.Stdin, os.Stdout, os.LookupEnv))
}
