package check

import "github.com/hallmark-oci/hallmark/sbom"

// Limits on what is read about one subject. They are applied before memory is
// taken.
const (
	// MaxDocument is the size of the largest SBOM, in bytes.
	MaxDocument = sbom.MaxDocument
	// MaxDocuments is how many different SBOMs of one subject are read.
	MaxDocuments = 16
	// MaxComponents is how many components all SBOMs of one subject have together.
	MaxComponents = sbom.MaxComponents
)
