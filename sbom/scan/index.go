package scan

import "encoding/binary"

// kind is what an entry of a layer does to the image.
type kind byte

const (
	plain    kind = iota // anything but a directory that no extractor read
	dir                  // an explicit directory
	kept                 // a regular file with records; ref counts through layer.files
	symlink              // ref counts through layer.targets
	hardlink             // ref counts through layer.targets
	whiteout             // the path is deleted from the layers below
	opaque               // everything in the path is deleted from the layers below
)

// index holds the entries of a layer in tar order, each path written as what
// it has beyond the path before it, so that millions of files fit into memory.
type index struct {
	slabs [][]byte
	last  string
	n     int
	bytes int64
}

const slabSize = 64 << 10

// add appends an entry and returns how many bytes it took.
func (x *index) add(k kind, path string) int64 {
	if len(x.slabs) == 0 || cap(x.slabs[len(x.slabs)-1])-len(x.slabs[len(x.slabs)-1]) < len(path)+1+2*binary.MaxVarintLen64 {
		x.slabs = append(x.slabs, make([]byte, 0, slabSize))
		x.last = ""
	}
	s := &x.slabs[len(x.slabs)-1]
	before := len(*s)
	shared := sharedPrefix(x.last, path)
	*s = append(*s, byte(k))
	*s = binary.AppendUvarint(*s, uint64(shared))
	*s = binary.AppendUvarint(*s, uint64(len(path)-shared))
	*s = append(*s, path[shared:]...)
	x.last = path
	x.n++
	took := int64(len(*s) - before)
	x.bytes += took
	return took
}

func sharedPrefix(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// each calls visit for every entry in order. The path is only valid during the call.
func (x *index) each(visit func(k kind, path []byte)) {
	path := make([]byte, 0, maxPath)
	for _, s := range x.slabs {
		path = path[:0]
		for len(s) > 0 {
			k := kind(s[0])
			shared, n := binary.Uvarint(s[1:])
			s = s[1+n:]
			rest, n := binary.Uvarint(s)
			s = s[n:]
			path = append(path[:shared], s[:rest]...)
			s = s[rest:]
			visit(k, path)
		}
	}
}
