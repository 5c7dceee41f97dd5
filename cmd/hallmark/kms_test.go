package main

import (
	"context"
	"encoding/pem"
	"os"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hallmark-oci/hallmark/sign/key/awskms"
	"github.com/hallmark-oci/hallmark/sign/key/hashivault"
	"github.com/hallmark-oci/hallmark/sign/key/kmstest"
)

// vaultPlugin is the program sigstore-kms-hashivault.
func vaultPlugin() {
	os.Exit(hashivault.Main(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.LookupEnv))
}

// awsPlugin is the program sigstore-kms-awskms.
func awsPlugin() {
	os.Exit(awskms.Main(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.LookupEnv, time.Now))
}

// vaultKey is where a script keeps its stand-in for Vault.
type vaultKey struct{}

// vault starts a stand-in for Vault and puts its address and a token into the
// environment, or gives a key of it a new version: vault start | vault rotate KEY
func vault(ts *testscript.TestScript, neg bool, args []string) {
	switch {
	case neg:
	case len(args) == 1 && args[0] == "start":
		v := kmstest.StartVault(false)
		ts.Defer(v.Close)
		ts.Value(vaultKey{}).(*kept).vault = v
		ts.Setenv("VAULT_ADDR", v.URL)
		ts.Setenv("VAULT_TOKEN", kmstest.VaultToken)
		return
	case len(args) == 2 && args[0] == "rotate":
		ts.Check(ts.Value(vaultKey{}).(*kept).vault.Rotate(args[1]))
		return
	}
	ts.Fatalf("usage: vault start | vault rotate KEY")
}

// kept holds what a script has started.
type kept struct{ vault *kmstest.Vault }

// aws starts a stand-in for AWS KMS and puts its address, credentials and certificate
// into the environment: aws start
func aws(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 || args[0] != "start" {
		ts.Fatalf("usage: aws start")
	}
	a := kmstest.StartAWS()
	ts.Defer(a.Close)
	ca := ts.MkAbs("aws.pem")
	ts.Check(os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Certificate().Raw}), 0o600))
	ts.Setenv("AWS_HOST", strings.TrimPrefix(a.URL, "https://"))
	ts.Setenv("AWS_ENDPOINT_URL", a.URL)
	ts.Setenv("AWS_CA_BUNDLE", ca)
	ts.Setenv("AWS_REGION", "us-east-1")
	ts.Setenv("AWS_ACCESS_KEY_ID", kmstest.AWSKeyID)
	ts.Setenv("AWS_SECRET_ACCESS_KEY", kmstest.AWSSecret)
}
