// Command sigstore-kms-hashivault uses keys in the transit engine of HashiCorp Vault
// or OpenBao. Tools that know Sigstore's plug-ins start it for keys that are named
// hashivault://KEY, and under the name sigstore-kms-openbao for openbao://KEY. See
// package hashivault for what it takes from the environment.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/hallmark-oci/hallmark/sign/key/hashivault"
)

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	os.Exit(hashivault.Main(ctx, os.Args[1:], os.Stdin, os.Stdout, os.LookupEnv))
}
