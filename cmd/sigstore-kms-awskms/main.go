// Command sigstore-kms-awskms uses keys in AWS KMS. Tools that know Sigstore's
// plug-ins start it for keys that are named awskms://[ENDPOINT]/KEY, such as
// awskms:///alias/release. See package awskms for what it takes from the environment.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/hallmark-oci/hallmark/sign/key/awskms"
)

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	os.Exit(awskms.Main(ctx, os.Args[1:], os.Stdin, os.Stdout, os.LookupEnv, time.Now))
}
