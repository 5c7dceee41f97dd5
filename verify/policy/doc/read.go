package doc

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Limits on what is read. They are applied before memory is taken.
const (
	// MaxDocuments is how many documents of one stream are read.
	MaxDocuments = 10000
	// maxParts bounds the lines, commas and brackets of one document, and with
	// them the values that the parser makes of it.
	maxParts = 1 << 20
	// maxDepth is how deep lists and mappings are nested.
	maxDepth = 100
	// maxValues bounds the values that a document has once aliases are followed.
	maxValues = 1 << 20
)

// Documents yields the documents of a stream that are not empty. They are
// divided by lines that begin with "---" (YAML 1.2, section 9.1). A document
// longer than limit bytes ends the stream with an error, as does one that is no
// YAML; file is the name that errors show.
func Documents(r io.Reader, file string, limit int) iter.Seq2[Value, error] {
	return func(yield func(Value, error) bool) {
		in := bufio.NewReaderSize(r, 64<<10)
		line := 0
		for n := 0; ; n++ {
			text, lines, err := next(in, limit)
			at := Value{file: file, line: line + 1}
			if err != nil && !errors.Is(err, io.EOF) {
				yield(Value{}, at.Errorf("%w", err))
				return
			}
			v, perr := parse(text, file, line)
			switch {
			case perr == nil && v.node != nil && n >= MaxDocuments:
				perr = at.Errorf("more than %d documents", MaxDocuments)
			case perr == nil && v.node == nil:
			case perr == nil:
				if !yield(v, nil) {
					return
				}
			}
			if perr != nil {
				yield(Value{}, perr)
				return
			}
			if err != nil {
				return
			}
			line += lines
		}
	}
}

// next returns the text up to the next line that begins a document, and the
// number of lines that were consumed. The error is io.EOF with the last text.
func next(in *bufio.Reader, limit int) (text []byte, lines int, err error) {
	begin := true // of a line
	for {
		piece, err := in.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) && !errors.Is(err, io.EOF) {
			return nil, lines, fmt.Errorf("read: %w", err)
		}
		if begin && divides(piece) {
			if rest := bytes.TrimSpace(piece[3:]); len(rest) > 0 && rest[0] != '#' {
				return nil, lines, errors.New("text behind --- on the same line is not read")
			}
			return text, lines + 1, nil
		}
		if len(text)+len(piece) > limit {
			return nil, lines, fmt.Errorf("the document is longer than %d bytes", limit)
		}
		text = append(text, piece...)
		if begin = bytes.HasSuffix(piece, []byte("\n")); begin {
			lines++
		}
		if errors.Is(err, io.EOF) {
			return text, lines, io.EOF
		}
	}
}

// divides reports whether the line begins a document.
func divides(line []byte) bool {
	rest, ok := bytes.CutPrefix(line, []byte("---"))
	return ok && (len(rest) == 0 || strings.IndexByte(" \t\r\n", rest[0]) >= 0)
}

// parse reads one document. The value has no node where there is none.
func parse(text []byte, file string, line int) (Value, error) {
	v := Value{file: file, line: line, text: text}
	parts := 0
	for _, c := range text {
		if c == '\n' || c == ',' || c == '[' || c == '{' {
			parts++
		}
	}
	if parts > maxParts {
		return v, Value{file: file, line: line + 1}.Errorf("the document has more than %d parts", maxParts)
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var root yaml.Node
	if err := dec.Decode(&root); errors.Is(err, io.EOF) {
		return v, nil
	} else if err != nil {
		return v, syntax(v, err)
	}
	var more yaml.Node
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		if err != nil {
			return v, syntax(v, err)
		}
		v.node = &more
		return v, v.Errorf("a second document, which does not begin with ---")
	}
	if root.Kind != yaml.DocumentNode || len(root.Content) != 1 || isNull(root.Content[0]) {
		return v, nil
	}
	v.node = root.Content[0]
	if tooDeep(v.node, 0) {
		return v, v.Errorf("nested deeper than %d levels", maxDepth)
	}
	return v, nil
}

// syntax turns an error of the parser into one of ours, with the line of the file.
func syntax(v Value, err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	at := Value{file: v.file, line: v.line + 1}
	if rest, ok := strings.CutPrefix(text, "line "); ok {
		if n, why, ok := strings.Cut(rest, ": "); ok {
			if i, err := strconv.Atoi(n); err == nil {
				at.line, text = v.line+i, why
			}
		}
	}
	return at.Errorf("%s", text)
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

func tooDeep(n *yaml.Node, depth int) bool {
	if depth > maxDepth {
		return true
	}
	for _, c := range n.Content {
		if tooDeep(c, depth+1) {
			return true
		}
	}
	return false
}

// Any returns the value as encoding/json would: nil, bool, float64, string,
// []any or map[string]any. Aliases are followed and merge keys ("<<") applied,
// as Kubernetes' own reader does, up to a number of values.
func (v Value) Any() (any, error) {
	left := maxValues
	return v.any(&left, 0)
}

func (v Value) any(left *int, depth int) (any, error) {
	if *left--; *left < 0 || depth > maxDepth {
		return nil, v.Errorf("more than %d values or %d levels", maxValues, maxDepth)
	}
	switch v.node.Kind {
	case yaml.AliasNode:
		return v.child(v.node.Alias, v.path).any(left, depth+1)
	case yaml.SequenceNode:
		out := make([]any, len(v.node.Content))
		for i, e := range v.node.Content {
			var err error
			if out[i], err = v.child(e, fmt.Sprintf("%s[%d]", v.path, i)).any(left, depth+1); err != nil {
				return nil, err
			}
		}
		return out, nil
	case yaml.MappingNode:
		return v.object(left, depth)
	case yaml.ScalarNode:
		return v.scalar()
	}
	return nil, v.Errorf("not a value")
}

func (v Value) object(left *int, depth int) (any, error) {
	out := make(map[string]any)
	var merged []any
	for i := 0; i+1 < len(v.node.Content); i += 2 {
		k, m := v.node.Content[i], v.node.Content[i+1]
		if k.Kind == yaml.AliasNode {
			k = k.Alias
		}
		if k.Kind != yaml.ScalarNode {
			return nil, v.child(k, v.path).Errorf("%s as a key", describe(k))
		}
		member := v.child(m, join(v.path, k.Value))
		value, err := member.any(left, depth+1)
		if err != nil {
			return nil, err
		}
		if k.ShortTag() == "!!merge" {
			merged = append(merged, value)
			continue
		}
		if _, twice := out[k.Value]; twice {
			return nil, v.child(k, member.path).Errorf("stands twice")
		}
		out[k.Value] = value
	}
	for _, m := range merged {
		if err := v.merge(out, m); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// merge adds the members of a merge key's mapping, or of its list of mappings,
// that are not there yet (YAML merge key, working draft of 2005).
func (v Value) merge(out map[string]any, from any) error {
	switch m := from.(type) {
	case map[string]any:
		for k, value := range m {
			if _, there := out[k]; !there {
				out[k] = value
			}
		}
		return nil
	case []any:
		for _, e := range m {
			if _, ok := e.(map[string]any); !ok {
				return v.Errorf("a merge key with something else than mappings")
			}
			if err := v.merge(out, e); err != nil {
				return err
			}
		}
		return nil
	}
	return v.Errorf("a merge key with something else than mappings")
}

func (v Value) scalar() (any, error) {
	switch v.node.ShortTag() {
	case "!!null":
		return nil, nil
	case "!!str", "!!timestamp", "!!binary":
		return v.node.Value, nil
	case "!!bool":
		var b bool
		err := v.node.Decode(&b)
		return b, v.wrap(err)
	case "!!int", "!!float":
		var f float64
		err := v.node.Decode(&f)
		if err == nil && (math.IsInf(f, 0) || math.IsNaN(f)) {
			return v.node.Value, nil
		}
		return f, v.wrap(err)
	}
	return nil, v.Errorf("%s is not read", describe(v.node))
}

func (v Value) wrap(err error) error {
	if err == nil {
		return nil
	}
	return v.Errorf("%w", err)
}
