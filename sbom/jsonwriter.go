package sbom

import (
	"bytes"
	"encoding/json"
	"io"
)

// A JSONWriter writes one JSON object, a member at a time and the entries of
// long lists one by one, each on a line of its own. It never holds more than
// one entry in memory. The first error sticks and is returned by Close.
type JSONWriter struct {
	w     io.Writer
	line  bytes.Buffer
	enc   *json.Encoder
	sep   string
	entry string
	err   error
}

// NewJSONWriter begins an object. The writer should be buffered.
func NewJSONWriter(w io.Writer) *JSONWriter {
	j := &JSONWriter{w: w, sep: "{\n"}
	j.enc = json.NewEncoder(&j.line)
	j.enc.SetEscapeHTML(false)
	return j
}

// Member writes a member with its value.
func (j *JSONWriter) Member(name string, value any) {
	j.name(name)
	j.value(value)
}

// Begin begins a member that is a list.
func (j *JSONWriter) Begin(name string) {
	j.name(name)
	j.write("[")
	j.entry = "\n"
}

// Entry writes an entry of the list that was begun.
func (j *JSONWriter) Entry(value any) {
	j.write(j.entry)
	j.value(value)
	j.entry = ",\n"
}

// End ends the list.
func (j *JSONWriter) End() { j.write("\n]") }

// Close ends the object and returns the first error.
func (j *JSONWriter) Close() error {
	j.write("\n}\n")
	return j.err
}

func (j *JSONWriter) name(name string) {
	j.write(j.sep)
	j.sep = ",\n"
	j.value(name)
	j.write(":")
}

func (j *JSONWriter) value(v any) {
	if j.err != nil {
		return
	}
	j.line.Reset()
	if j.err = j.enc.Encode(v); j.err == nil {
		_, j.err = j.w.Write(bytes.TrimSuffix(j.line.Bytes(), []byte("\n")))
	}
}

func (j *JSONWriter) write(s string) {
	if j.err == nil {
		_, j.err = io.WriteString(j.w, s)
	}
}
