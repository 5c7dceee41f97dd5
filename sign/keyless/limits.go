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
	// maxTries is how often a service is asked one thing, and retryTime how long after
	// the first try the last one may begin.
	maxTries  = 4
	retryTime = time.Minute
	// firstPause is how long is waited after the first try, longestPause the most that
	// a service is given that asks to be left alone.
	firstPause   = 200 * time.Millisecond
	longestPause = 30 * time.Second
	// browserTime is how long is waited for a browser to come back, answerTime how long
	// it has for its request, deviceTime the longest that a code can be entered.
	browserTime = 5 * time.Minute
	answerTime  = 10 * time.Second
	deviceTime  = 15 * time.Minute
	// An issuer is asked every usualPoll whether the code was entered, or as often as it
	// says, between shortestPoll and longestPoll, and at most maxPolls times.
	usualPoll    = 5 * time.Second
	shortestPoll = time.Second
	longestPoll  = time.Minute
	maxPolls     = 1000
	// maxAddress bounds an address that an issuer tells, and a code in one, in bytes;
	// maxCode one that a person has to type.
	maxAddress = 8 << 10
	maxCode    = 64
	// maxTree bounds the size of a log's tree. Its checkpoint is asked for at most
	// maxCheckpoints times, with checkpointPause between, until it has the entry.
	maxTree         = 1 << 40
	maxCheckpoints  = 30
	checkpointPause = time.Second
	// leeway is by how much clocks may differ.
	leeway = time.Minute
)
