package cli

import (
	"github.com/spf13/cobra"

	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/network"
)

// networked is the flag that names the hosts that verifying may ask beside the registry.
type networked struct {
	app   *App
	names []string
}

func (n *networked) bind(cmd *cobra.Command, app *App) {
	n.app = app
	cmd.Flags().StringSliceVar(&n.names, "network", nil, "host, HOST or HOST:PORT, that may be asked for what is missing: a log entry, a remote part of a policy; repeatable (default none)")
}

// hosts returns those that are named, nil for nobody.
func (n *networked) hosts() (*network.Hosts, error) {
	if len(n.names) == 0 {
		return nil, nil
	}
	h, err := network.New(n.names, n.app.Transport)
	if err != nil {
		return nil, usagef("--network: %v", err)
	}
	return h, nil
}

// join adds the hosts to the trust. Where no log is asked for nobody would be asked.
func (n *networked) join(t *verify.Trust) (err error) {
	if t.Hosts, err = n.hosts(); err != nil || t.Hosts == nil {
		return err
	}
	if len(t.Identities) > 0 && t.Quorum.AsksLogs() || len(t.Keys) > 0 && t.KeyQuorum.AsksLogsOfKeys() {
		return nil
	}
	return usagef("--network names a log to be asked for entries, and no entry is asked for: give --trusted-root or --evidence logs=1, or leave it away")
}
