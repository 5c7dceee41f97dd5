package admit

import "time"

// Limits of the gate.
const (
	// MaxReview is the size of the largest AdmissionReview that is read, in
	// bytes. The API server takes objects of up to 3 MiB, and an update holds two.
	MaxReview = 8 << 20
	// MaxManifest is the size of the largest YAML or JSON document that Manifests
	// reads, in bytes.
	MaxManifest = 8 << 20
	// MaxImages is how many images of one object are looked at.
	MaxImages = 1000
	// maxReviews is how many reviews are under way at once. Of them so many of
	// more than maxSmall bytes are read at once as maxLarge says.
	maxReviews = 1000
	maxSmall   = 256 << 10
	maxLarge   = 32
	// maxUID is the longest name of a request, in bytes.
	maxUID = 256
	// maxReference is the longest reference, in bytes.
	maxReference = 4096
	// maxFlights is how many verifications are under way or waiting at once, and
	// maxLane how many of them at one registry.
	maxFlights = 2000
	maxLane    = 500
	// maxWarning and maxWarnings keep within what Kubernetes hands on.
	maxWarning  = 250
	maxWarnings = 16
	// maxMessage bounds the message of a refusal, in bytes.
	maxMessage = 4096
	// reserve is what is kept of the API server's patience for the answer.
	reserve = 500 * time.Millisecond
)
