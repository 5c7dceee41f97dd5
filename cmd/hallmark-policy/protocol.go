package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// protocol names the documents below. Either side refuses any other.
const protocol = "hallmark-policy/1"

// A request asks whether a document meets a policy.
type request struct {
	Protocol string          `json:"protocol"`
	ID       int64           `json:"id"`       // repeated in the answer
	Language string          `json:"language"` // "cue" or "rego"
	Policy   string          `json:"policy"`
	Input    json.RawMessage `json:"input"` // the document, as it is
	// Now is the time that the policy is told.
	Now time.Time `json:"now"`
	// Memory and Seconds are how much of both the answer may take: bytes, and seconds
	// of processor time.
	Memory  int64 `json:"memory"`
	Seconds int64 `json:"seconds"`
}

// An answer says what became of a request.
type answer struct {
	Protocol string  `json:"protocol"`
	ID       int64   `json:"id"`
	Outcome  outcome `json:"outcome"`
	// Problem says why the outcome is no yes.
	Problem string `json:"problem,omitempty"`
	// Warning is what the policy says beside a yes.
	Warning string `json:"warning,omitempty"`
	// Timed says that the policy asks for the time.
	Timed bool `json:"timed,omitempty"`
}

// An outcome is what can become of a request.
type outcome string

const (
	compliant   outcome = "compliant"   // the document meets the policy
	refused     outcome = "refused"     // it does not
	broken      outcome = "broken"      // no document can: the policy cannot be compiled
	unsupported outcome = "unsupported" // the policy wants what it is not given
	failed      outcome = "failed"      // the request is none
)

// serve answers requests, one after the other, until there are no more. The first
// that is none ends it: where the next one would begin is not known.
func serve(in io.Reader, out io.Writer, evaluate func(request) answer) error {
	r := bufio.NewReaderSize(in, 64<<10)
	for {
		line, err := readLine(r, maxRequest)
		if errors.Is(err, io.EOF) {
			return nil
		}
		var q request
		if err == nil {
			q, err = parse(line)
		}
		a := answer{Outcome: failed}
		if err == nil {
			a = evaluate(q)
		} else {
			a.Problem = err.Error()
		}
		a.Protocol, a.ID = protocol, q.ID
		a.Problem, a.Warning = cut(a.Problem), cut(a.Warning)
		text, merr := json.Marshal(a)
		if merr != nil {
			return merr
		}
		if _, werr := out.Write(append(text, '\n')); werr != nil {
			return werr
		}
		if err != nil {
			return err
		}
	}
}

// readLine reads a line of at most limit bytes. io.EOF says that there is none.
func readLine(r *bufio.Reader, limit int) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		if len(line)+len(part) > limit {
			return nil, fmt.Errorf("a request of more than %d bytes", limit)
		}
		line = append(line, part...)
		switch {
		case err == nil:
			return line, nil
		case errors.Is(err, io.EOF) && len(bytes.TrimSpace(line)) == 0:
			return nil, io.EOF
		case errors.Is(err, io.EOF):
			return nil, errors.New("the request ends early")
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}

// parse reads a request. Where it is none, what is known of it is returned all the same.
func parse(line []byte) (request, error) {
	var q request
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&q); err != nil {
		return request{}, fmt.Errorf("the request cannot be read: %w", err)
	}
	if rest := bytes.TrimSpace(line[d.InputOffset():]); len(rest) > 0 {
		return q, errors.New("more than one document in a line")
	}
	switch {
	case q.Protocol != protocol:
		return q, fmt.Errorf("protocol %.40q is not spoken here, only %q: hallmark and hallmark-policy are of different releases", q.Protocol, protocol)
	case q.Language != "cue" && q.Language != "rego":
		return q, fmt.Errorf("language %.40q is not known", q.Language)
	case len(q.Input) == 0:
		return q, errors.New("no input")
	case q.Now.IsZero():
		return q, errors.New("no time")
	case q.Memory < minMemory || q.Memory > maxMemory:
		return q, fmt.Errorf("memory of %d bytes: want %d to %d", q.Memory, minMemory, int64(maxMemory))
	case q.Seconds < 1 || q.Seconds > maxSeconds:
		return q, fmt.Errorf("%d seconds: want 1 to %d", q.Seconds, maxSeconds)
	}
	return q, nil
}

// evaluate runs the policy.
func evaluate(q request) answer {
	if q.Language == "cue" {
		return evaluateCUE(q.Policy, q.Input)
	}
	return evaluateRego(q.Policy, q.Input, q.Now)
}

// cut returns the beginning of the text, of at most maxText bytes and without half
// characters.
func cut(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) <= maxText {
		return text
	}
	n := maxText
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + "..."
}
