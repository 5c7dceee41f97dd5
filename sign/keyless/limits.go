package keyless

import (
	"time"

	judge "github.com/hallmark-oci/hallmark/verify/keyless"
)

// Limits on what is read and how long it is waited for. They are applied before
// memory is taken.
const (
	// MaxToken is the size of the longest identity token, in bytes.
	MaxToken = 64 << 10
	// MaxRoot and MaxServices are the sizes of the largest trusted root and of the
	// largest signing configuration, in bytes.
	MaxRoot     = judge.MaxRoot
	MaxServices = 1 << 20
	// MaxPayload is the size of the largest payload of an envelope, in bytes: it is
	// sent to the log and verified whole.
	MaxPayload = 32 << 20
	// maxAnswer is the size of the largest answer of a service, in bytes. A log gives
	// an entry back, in which there is a hash in place of the payload.
	maxAnswer = 1 << 20
	// maxChain bounds the certificates that an authority returns.
	maxChain = 10
	// maxServices bounds how many logs, and how many timestamp authorities, one
	// signature is brought to.
	maxServices = 8
	// maxQuote is how much of a service's complaint is passed on, in bytes.
	maxQuote = 300
	// requestTime is how long a service has for one answer. Logs that publish in
	// intervals take a few seconds.
	requestTime = 60 * time.Second
	// leeway is by how much clocks may differ.
	leeway = time.Minute
)
