package cli

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hallmark-oci/hallmark/verify/keyless"
)

// bindQuorum declares --evidence.
func bindQuorum(cmd *cobra.Command, value *keyless.Quorum) {
	cmd.Flags().Var(&quorumValue{value}, "evidence", "how many must vouch for a signature: certificate-logs=N, logs=N, clocks=N, timestamps=N; 0 asks nobody")
}

// quorumValue reads "name=N,name=N".
type quorumValue struct{ *keyless.Quorum }

// quorumPart is one number of a quorum and its name.
type quorumPart struct {
	name   string
	number *keyless.Number
}

func (q quorumValue) parts() []quorumPart {
	return []quorumPart{
		{"certificate-logs", &q.CertificateLogs}, {"logs", &q.Logs}, {"clocks", &q.Clocks}, {"timestamps", &q.Timestamps},
	}
}

// String implements pflag.Value.
func (q *quorumValue) String() string {
	if q.Quorum == nil {
		return ""
	}
	var said []string
	for _, p := range q.parts() {
		if *p.number != 0 {
			said = append(said, fmt.Sprintf("%s=%d", p.name, max(0, *p.number)))
		}
	}
	return strings.Join(said, ",")
}

// Set implements pflag.Value.
func (q *quorumValue) Set(s string) error {
	for part := range strings.SplitSeq(s, ",") {
		if err := q.set(part); err != nil {
			return err
		}
	}
	return nil
}

// maxQuorum is how many authorities of one sort can be asked for.
const maxQuorum = 100

func (q *quorumValue) set(part string) error {
	name, text, _ := strings.Cut(part, "=")
	var names []string
	for _, p := range q.parts() {
		if names = append(names, p.name); p.name != name {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n > maxQuorum {
			return fmt.Errorf("%s is to be a number from 0 to %d", name, maxQuorum)
		}
		if was := *p.number; was != 0 && was != keyless.Exactly(n) {
			return fmt.Errorf("%s is given with two numbers", name)
		}
		*p.number = keyless.Exactly(n)
		return nil
	}
	return fmt.Errorf("%.40q is none of %s", name, strings.Join(names, ", "))
}

// Type implements pflag.Value.
func (*quorumValue) Type() string { return "name=N" }

// believed returns who is believed: the trusted root that is named, or else fetched, and
// in the place of some of its authorities those of certificate files. A command with
// --ca-roots has no other root than one that it names.
func (i *identity) believed() (*keyless.Root, error) {
	if i.intermediates != "" && i.roots == "" {
		return nil, usagef("--ca-intermediates stand below certificates that are believed by themselves: give --ca-roots too")
	}
	var root *keyless.Root
	if i.root != "" || i.roots == "" {
		raw, name, err := i.app.trustedRoot(i.root)
		if err != nil {
			return nil, err
		}
		if root, err = keyless.ParseRoot(raw); err != nil {
			return nil, usagef("%s: %v", name, err)
		}
	}
	root, err := i.certified(root)
	if err != nil {
		return nil, err
	}
	return root, i.reachable(root)
}

// certified puts the authorities of the certificate files in their places.
func (i *identity) certified(root *keyless.Root) (*keyless.Root, error) {
	var texts [3][]byte
	for n, f := range []struct{ flag, path string }{{"ca-roots", i.roots}, {"ca-intermediates", i.intermediates}, {"timestamp-certificate-chain", i.clock}} {
		if f.path == "" {
			continue
		}
		var err error
		if texts[n], err = readFile(f.path, keyless.MaxChain); err != nil {
			return nil, usagef("--%s %s: %v", f.flag, f.path, err)
		}
	}
	var err error
	if i.roots != "" {
		if root, err = root.WithAuthorities(texts[0], texts[1]); err != nil {
			return nil, usagef("--ca-roots %s, --ca-intermediates %q: %v", i.roots, i.intermediates, err)
		}
	}
	if i.clock != "" {
		if root, err = root.WithClock(texts[2]); err != nil {
			return nil, usagef("--timestamp-certificate-chain %s: %v", i.clock, err)
		}
	}
	return root, nil
}

// reachable refuses to ask for more authorities than there are, which no signature
// could have, and says which flag helps. It looks only where files of certificates
// take the place of a root: what a root lacks its maker knows.
func (i *identity) reachable(root *keyless.Root) error {
	if i.roots == "" {
		return nil
	}
	short := root.Short(i.quorum)
	if short == (keyless.Quorum{}) {
		return nil
	}
	return usagef("--ca-roots names nobody who could vouch as is asked for: name logs and clocks with --trusted-root, or a clock with --timestamp-certificate-chain; or ask for no more than there is, which every answer will tell: --evidence %s", &quorumValue{&short})
}
