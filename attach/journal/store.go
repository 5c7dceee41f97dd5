package journal

// A Store attaches to the subjects of one repository of a medium, and reads
// what is attached. It is made by New and safe for concurrent use.
type Store struct {
	medium Medium
	repo   string
}

// An Option changes how a Store works.
type Option func(*Store)

// New returns the store on the medium. The repo is the repository as a reader
// would type it; it stands in errors.
func New(m Medium, repo string, opts ...Option) *Store {
	s := &Store{medium: m, repo: repo}
	for _, o := range opts {
		o(s)
	}
	return s
}
