package registry

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/hallmark-oci/hallmark/attach"
)

// A statusError is an answer that says no.
type statusError struct {
	status int
	text   string
}

// Error implements error.
func (e *statusError) Error() string {
	if e.text == "" {
		return fmt.Sprintf("%d %s", e.status, http.StatusText(e.status))
	}
	return fmt.Sprintf("%d %s: %s", e.status, http.StatusText(e.status), e.text)
}

// Unwrap returns what the status means to a store.
func (e *statusError) Unwrap() error {
	switch e.status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return attach.ErrDenied
	case http.StatusNotFound:
		return attach.ErrNotFound
	}
	return nil
}

// refusal reads what the registry says of why it refused, and closes the answer.
func refusal(r request, resp *http.Response) error {
	return fmt.Errorf("%s %s: %w", r.method, r.url.Redacted(), newStatusError(resp))
}

func newStatusError(resp *http.Response) *statusError {
	defer resp.Body.Close()
	// A message that breaks off is still a message.
	b, _ := io.ReadAll(io.LimitReader(resp.Body, maxMessage))
	return &statusError{status: resp.StatusCode, text: message(b)}
}

// message makes one printable line of an answer: the codes and messages of the
// distribution specification's error format, or else the beginning of the text.
func message(b []byte) string {
	var body struct {
		Errors []struct{ Code, Message string }
	}
	var parts []string
	if json.Unmarshal(b, &body) == nil {
		for _, e := range body.Errors {
			parts = append(parts, strings.TrimSpace(e.Code+" "+e.Message))
		}
	}
	text := strings.Join(parts, "; ")
	if text == "" {
		text = string(b)
	}
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	text = strings.Join(strings.Fields(text), " ")
	return text[:min(len(text), 300)]
}

// putError says what the refusal of a manifest means. Registries have no common
// way to say that a tag is immutable: 409 (Quay), 412 (Harbor), 403 or 400 with
// the word in the text (ECR, Docker Hub).
func putError(e *statusError) error {
	text := strings.ToLower(e.text)
	immutable := strings.Contains(text, "immutable") || strings.Contains(text, "already exists")
	switch e.status {
	case http.StatusConflict, http.StatusPreconditionFailed:
		return fmt.Errorf("%w: %w", e, attach.ErrImmutable)
	case http.StatusBadRequest, http.StatusForbidden, http.StatusMethodNotAllowed:
		if immutable {
			return fmt.Errorf("%w: %w", e, attach.ErrImmutable)
		}
	}
	switch e.status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		return fmt.Errorf("%w: %w", e, attach.ErrMalformed)
	}
	return e
}

// momentary reports whether a manifest that was refused so may be taken a moment
// later. Where two write one tag at a time, there are registries that answer 404
// to one of them. Where two upload one blob at a time, distribution 2.8 does not
// find it for a moment, although both were told that it is there.
func momentary(e *statusError) bool {
	return e.status == http.StatusNotFound || e.status == http.StatusBadRequest && strings.Contains(e.text, "BLOB_UNKNOWN")
}
