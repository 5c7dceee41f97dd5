// Package doc reads YAML and JSON as documents in which every value knows where
// it stands, so that whoever refuses one can name the line and the path.
//
// It is strict. A mapping that names a key twice is refused, because two readers
// may disagree on what it says; so are keys that are no text, tags of the
// writer's own and values of another type than the one asked for. JSON is read
// as the YAML that it is (YAML 1.2, section 1.3).
//
// [Value.Fields] decodes what must hold nothing unknown, a policy; [Value.Any]
// returns foreign documents as encoding/json would, Kubernetes manifests.
// Anchors and aliases are refused by the one and followed, within a limit, by
// the other.
package doc

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// ErrInvalid says that a document is not what its reader asks for.
var ErrInvalid = errors.New("invalid document")

// A Value is one value of a document and where it stands. The zero Value is
// nothing at all: every question to it ends in an error.
type Value struct {
	node *yaml.Node
	file string
	path string
	line int // what to add to the node's line
	text []byte

	sparse bool // see Sparse
}

// Path returns where the value stands in the document: "spec.images[0].glob".
func (v Value) Path() string { return v.path }

// Line returns the line of the file, counted from 1.
func (v Value) Line() int {
	if v.node == nil {
		return v.line
	}
	return v.line + v.node.Line
}

// Where returns file and line as errors name them: "policy.yaml:6".
func (v Value) Where() string { return fmt.Sprintf("%s:%d", v.file, v.Line()) }

// Text returns the bytes of the whole document that the value stands in.
func (v Value) Text() []byte { return v.text }

// Errorf returns an error that names file, line and path and wraps
// [ErrInvalid]. The format may wrap another error with %w.
func (v Value) Errorf(format string, args ...any) error {
	where := v.Where()
	if v.path != "" {
		where += ": " + v.path
	}
	return fmt.Errorf("%s: %w: %w", where, fmt.Errorf(format, args...), ErrInvalid)
}

// is returns the node where it is of the kind and bears one of the tags.
func (v Value) is(kind yaml.Kind, want string, tags ...string) (*yaml.Node, error) {
	switch {
	case v.node == nil:
		return nil, v.Errorf("missing, %s is wanted", want)
	case v.node.Kind == yaml.AliasNode || v.node.Anchor != "":
		return nil, v.Errorf("anchors and aliases are not read here")
	case v.node.Kind != kind || !slices.Contains(tags, v.node.ShortTag()):
		return nil, v.Errorf("%s where %s is wanted", describe(v.node), want)
	}
	return v.node, nil
}

// describe names what a node is.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	}
	switch n.ShortTag() {
	case "!!null":
		return "nothing"
	case "!!str":
		return "text"
	case "!!int", "!!float":
		return "a number"
	case "!!timestamp":
		return "a date"
	case "!!bool":
		return "true or false"
	}
	return fmt.Sprintf("a value of type %.40s", n.ShortTag())
}

// String returns a text. A number, a date or true must be quoted to be one.
func (v Value) String() (string, error) {
	n, err := v.is(yaml.ScalarNode, "text", "!!str")
	if err != nil {
		return "", err
	}
	return n.Value, nil
}

// Date returns a moment in the form of RFC 3339, or a day, 2027-01-31, which stands
// for its beginning in UTC. Both may be quoted.
func (v Value) Date() (time.Time, error) {
	n, err := v.is(yaml.ScalarNode, "a date", "!!timestamp", "!!str")
	if err != nil {
		return time.Time{}, err
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, n.Value); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, v.Errorf("%.40q is no date like 2027-01-31 or 2027-01-31T12:00:00Z", n.Value)
}

// OneOf returns a text that must be one of those given.
func (v Value) OneOf(words ...string) (string, error) {
	s, err := v.String()
	if err == nil && !slices.Contains(words, s) {
		err = v.Errorf("%.100q is none of %s", s, strings.Join(words, ", "))
	}
	return s, err
}

// Bool returns true or false.
func (v Value) Bool() (bool, error) {
	n, err := v.is(yaml.ScalarNode, "true or false", "!!bool")
	if err != nil {
		return false, err
	}
	// A tag of the writer's own, !!bool yes, says nothing about the word behind it.
	switch {
	case strings.EqualFold(n.Value, "true"):
		return true, nil
	case strings.EqualFold(n.Value, "false"):
		return false, nil
	}
	return false, v.Errorf("%.20q is neither true nor false", n.Value)
}

// Int returns a decimal whole number between low and high.
func (v Value) Int(low, high int) (int, error) {
	n, err := v.is(yaml.ScalarNode, "a whole number", "!!int")
	if err != nil {
		return 0, err
	}
	i, err := strconv.Atoi(n.Value)
	if err != nil || i < low || i > high {
		return 0, v.Errorf("%.20s is no whole number from %d to %d", n.Value, low, high)
	}
	return i, nil
}

// List returns the elements of a list of at least one and at most limit.
func (v Value) List(limit int) ([]Value, error) {
	n, err := v.is(yaml.SequenceNode, "a list", "!!seq")
	switch {
	case err != nil:
		return nil, err
	case len(n.Content) == 0:
		return nil, v.Errorf("the list is empty")
	case len(n.Content) > limit:
		return nil, v.Errorf("%d elements, the limit is %d", len(n.Content), limit)
	}
	out := make([]Value, len(n.Content))
	for i, e := range n.Content {
		out[i] = v.child(e, fmt.Sprintf("%s[%d]", v.path, i))
	}
	return out, nil
}

// Fields decodes a mapping: each member goes to the function of its name. A
// name without a function, a name that stands twice and a required name that
// is missing are errors.
func (v Value) Fields(known map[string]func(Value) error, required ...string) error {
	seen := make(map[string]bool)
	err := v.Each(func(name string, member Value) error {
		read, ok := known[name]
		if !ok {
			return member.Errorf("unknown field, known are %s", names(known))
		}
		if v.sparse && member.Null() {
			return nil
		}
		seen[name] = true
		return read(member)
	})
	if err != nil {
		return err
	}
	for _, name := range required {
		if !seen[name] {
			return v.Errorf("field %s is missing", name)
		}
	}
	return nil
}

// Each calls visit for each member of a mapping, in the order of the document.
func (v Value) Each(visit func(name string, member Value) error) error {
	n, err := v.is(yaml.MappingNode, "a mapping", "!!map")
	if err != nil {
		return err
	}
	seen := make(map[string]bool)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := v.child(n.Content[i], v.path)
		name, err := k.String()
		if err != nil {
			return err
		}
		member := v.child(n.Content[i+1], join(v.path, name))
		if seen[name] {
			return v.child(n.Content[i], member.path).Errorf("stands twice")
		}
		seen[name] = true
		if err := visit(name, member); err != nil {
			return err
		}
	}
	return nil
}

// Has reports whether the value is a mapping with the member.
func (v Value) Has(name string) bool {
	if v.node == nil || v.node.Kind != yaml.MappingNode {
		return false
	}
	for i := 0; i+1 < len(v.node.Content); i += 2 {
		if v.node.Content[i].Value == name {
			return !v.sparse || !v.child(v.node.Content[i+1], "").Null()
		}
	}
	return false
}

// Sparse returns the value as Kubernetes reads its objects: to [Value.Fields] and
// [Value.Has] a member that is null is as absent, here and in all that is inside. A name
// that is not known, or stands twice, is refused all the same, and [Value.Each] visits
// the entries of a mapping that are null.
func (v Value) Sparse() Value {
	v.sparse = true
	return v
}

// Null reports whether the value is null, written as such or as nothing at all.
func (v Value) Null() bool { return v.node != nil && v.node.Anchor == "" && isNull(v.node) }

func (v Value) child(n *yaml.Node, path string) Value {
	return Value{node: n, file: v.file, path: path, line: v.line, text: v.text, sparse: v.sparse}
}

// join appends a member's name to a path. Names that hold a dot are quoted.
func join(path, name string) string {
	if name == "" || strings.ContainsAny(name, ".[] \n") {
		name = strconv.Quote(name)
	}
	if path == "" {
		return name
	}
	return path + "." + name
}

func names(known map[string]func(Value) error) string {
	all := make([]string, 0, len(known))
	for n := range known {
		all = append(all, n)
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// Into returns a function for [Value.Fields] that keeps what read returns.
func Into[T any](to *T, read func(Value) (T, error)) func(Value) error {
	return func(v Value) (err error) {
		*to, err = read(v)
		return err
	}
}
