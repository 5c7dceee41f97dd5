package policy

// Limits on policy files. They are applied before memory is taken.
const (
	// MaxFile is the size of the largest policy file, in bytes.
	MaxFile = 8 << 20
	// MaxDocument is the size of the largest document of a policy file, in bytes.
	MaxDocument = 1 << 20
	// MaxPolicies is how many scopes and ClusterImagePolicies one set holds.
	MaxPolicies = 10000
	// MaxPart is the size of the longest part in CUE or Rego, in bytes.
	MaxPart = 256 << 10
	// MaxInput is the size of the largest document that such a part judges, in bytes.
	MaxInput = 8 << 20
	// maxList bounds the keys, globs, authorities and attestations of one policy.
	maxList = 1000
	// maxRevoked bounds the digests that one document revokes.
	maxRevoked = 20000
	// maxHeard is how many statements a part of a policy judges for one image.
	maxHeard = 256
	// maxConfig is the size of the largest configuration of an image that a part is
	// shown, in bytes; maxConfigs is how many manifests of an index are, and
	// maxConfigDepth how deep indexes are nested.
	maxConfig      = 1 << 20
	maxConfigs     = 100
	maxConfigDepth = 4
	// maxLists bounds the signed lists that one document names.
	maxLists = 16
	// maxThreshold bounds how many keys a rule can ask for.
	maxThreshold = 100
	// maxQuorum bounds how many logs, or clocks, can be asked to vouch.
	maxQuorum = 100
)
