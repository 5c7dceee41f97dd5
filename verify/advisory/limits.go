package advisory

// MaxVector is the length of the longest severity vector that is read, in bytes.
const MaxVector = 512
