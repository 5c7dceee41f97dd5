package program

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/hallmark-oci/hallmark/verify/policy"
)

// protocol names the documents below. The other half is cmd/hallmark-policy, which is
// another module and has its own; a test has both speak to each other.
const protocol = "hallmark-policy/1"

// request is one line that is written to the program.
type request struct {
	Protocol string          `json:"protocol"`
	ID       int64           `json:"id"`
	Language string          `json:"language"`
	Policy   string          `json:"policy"`
	Input    json.RawMessage `json:"input"`
	Now      time.Time       `json:"now"`
	Memory   int64           `json:"memory"`  // bytes
	Seconds  int64           `json:"seconds"` // of processor time
}

// answer is one line that it writes.
type answer struct {
	Protocol string `json:"protocol"`
	ID       int64  `json:"id"`
	Outcome  string `json:"outcome"`
	Problem  string `json:"problem"`
	Warning  string `json:"warning"`
	Timed    bool   `json:"timed"`
}

// newRequest returns the request but for its number. The time limit of the system counts
// what all processors spend, garbage collection among it, so it is twice that of the
// clock.
func newRequest(o Options, part policy.Part, input []byte, now time.Time) (*request, error) {
	switch {
	case part.Language != policy.CUE && part.Language != policy.Rego:
		return nil, fmt.Errorf("language %.40q: %w", part.Language, policy.ErrUnsupported)
	case len(part.Text) > policy.MaxPart:
		return nil, fmt.Errorf("a policy of %d bytes, more than %d: %w", len(part.Text), policy.MaxPart, policy.ErrUnsupported)
	case len(input) > policy.MaxInput:
		return nil, fmt.Errorf("a document of %d bytes, more than the %d that are judged: %w", len(input), policy.MaxInput, policy.ErrUnsupported)
	case !json.Valid(input):
		return nil, errors.New("what is to be judged is no JSON")
	}
	return &request{
		Protocol: protocol, Language: part.Language, Policy: part.Text, Input: input, Now: now.UTC(),
		Memory: o.Memory, Seconds: max(1, int64(2*o.Time/time.Second)),
	}, nil
}

// line returns the request as the program reads it.
func (r request) line() ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(r); err != nil {
		return nil, err
	}
	if out.Len() > maxRequest {
		return nil, fmt.Errorf("a request of %d bytes, more than %d: %w", out.Len(), maxRequest, policy.ErrUnsupported)
	}
	return out.Bytes(), nil
}

// read reads the answer to the request of that number. Anything but a document of this
// protocol with a known outcome is an error.
func read(line []byte, id int64) (policy.Answer, error) {
	var a answer
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&a); err != nil {
		return policy.Answer{}, fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	switch {
	case len(bytes.TrimSpace(line[d.InputOffset():])) > 0:
		return policy.Answer{}, fmt.Errorf("%w: more than one document in a line", ErrAnswer)
	case a.Protocol != protocol:
		return policy.Answer{}, fmt.Errorf("%w: it speaks protocol %.40q, and this hallmark %q: both must be of one release", ErrAnswer, a.Protocol, protocol)
	case a.Outcome == "failed":
		return policy.Answer{}, fmt.Errorf("%w: %s", ErrFailed, a.Problem)
	case a.ID != id:
		return policy.Answer{}, fmt.Errorf("%w: it answers question %d, and %d was asked", ErrAnswer, a.ID, id)
	}
	out := policy.Answer{Problem: a.Problem, Warning: a.Warning, Timed: a.Timed}
	switch a.Outcome {
	case "compliant":
		out.Compliant = true
		if a.Problem != "" {
			return policy.Answer{}, fmt.Errorf("%w: a yes with a problem: %s", ErrAnswer, a.Problem)
		}
	case "refused":
	case "broken":
		out.Broken = true
	case "unsupported":
		return policy.Answer{}, fmt.Errorf("%s: %w", a.Problem, policy.ErrUnsupported)
	default:
		return policy.Answer{}, fmt.Errorf("%w: the outcome %.40q is not known", ErrAnswer, a.Outcome)
	}
	return out, nil
}
