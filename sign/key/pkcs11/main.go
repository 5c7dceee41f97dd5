//go:build pkcs11 && cgo

package pkcs11

import (
	"context"
	"io"

	"github.com/hallmark-oci/hallmark/sign/key/plugin"
)

// Main is the plug-in: it answers the call that args are, those of the process
// without its name, and returns the exit code.
func Main(ctx context.Context, args []string, in io.Reader, out io.Writer, lookupEnv func(string) (string, bool)) int {
	opts := Options{LookupEnv: lookupEnv, ReadFile: func(name string) ([]byte, error) { return plugin.ReadFile(name, MaxPIN) }}
	return plugin.Serve(ctx, args, in, out, func(r plugin.Request) (plugin.Service, error) {
		s, err := Open(r, opts)
		if err != nil {
			return nil, err
		}
		return s, nil
	})
}
