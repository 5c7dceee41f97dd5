package sbom

// Limits on inventories and on the documents that they are read from. Readers
// apply them before memory is taken.
const (
	// MaxDocument is the size of the largest document that is read, in bytes.
	MaxDocument = 256 << 20
	// MaxDepth is how deep the objects and lists of a document may nest.
	MaxDepth = 64
	// MaxString is the length of the longest string in a document, in bytes.
	MaxString = 16 << 20
	// MaxComponents is the number of components in one inventory.
	MaxComponents = 1_000_000
	// MaxRelations is the number of relations in one inventory.
	MaxRelations = 10_000_000
	// MaxField is the length of the longest name, version or path of a
	// component, in bytes.
	MaxField = 64 << 10
	// MaxProblems is how many problems of one document are told.
	MaxProblems = 20
)
