package awskms

import (
	"context"
	"io"
	"time"

	"github.com/hallmark-oci/hallmark/sign/key/plugin"
)

// Main is the plug-in: it answers the call that args are, those of the process
// without its name, and returns the exit code.
func Main(ctx context.Context, args []string, in io.Reader, out io.Writer, lookupEnv func(string) (string, bool), now func() time.Time) int {
	opts := Options{LookupEnv: lookupEnv, Now: now, ReadFile: func(name string) ([]byte, error) { return plugin.ReadFile(name, MaxFile) }}
	return plugin.Serve(ctx, args, in, out, func(r plugin.Request) (plugin.Service, error) {
		s, err := Open(r, opts)
		if err != nil {
			return nil, err
		}
		return s, nil
	})
}
