package policy

// Limits on policy files. They are applied before memory is taken.
const (
	// MaxFile is the size of the largest policy file, in bytes.
	MaxFile = 8 << 20
	// MaxDocument is the size of the largest document of a policy file, in bytes.
	MaxDocument = 1 << 20
	// MaxPolicies is how many scopes and ClusterImagePolicies one set holds.
	MaxPolicies = 10000
	// maxList bounds the keys, globs, authorities and attestations of one policy.
	maxList = 1000
	// maxRevoked bounds the digests that one document revokes.
	maxRevoked = 20000
	// maxLists bounds the signed lists that one document names.
	maxLists = 16
	// maxThreshold bounds how many keys a rule can ask for.
	maxThreshold = 100
)
