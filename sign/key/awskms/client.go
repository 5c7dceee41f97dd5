package awskms

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// A client talks to KMS.
type client struct {
	config
	http *http.Client
	now  func() time.Time
}

// errNotFound says that the service has no such key.
var errNotFound = errors.New("there is no such key")

// do calls an operation of the service.
func (c *client) do(ctx context.Context, operation string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.endpoint.String(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	req.Header.Set("X-Amz-Target", "TrentService."+operation)
	c.credential.sign(req, body, c.scope, c.now())
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("%s: %w", operation, err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, MaxAnswer+1))
	switch {
	case err != nil:
		return fmt.Errorf("%s at %s: %w", operation, c.endpoint.Host, err)
	case len(raw) > MaxAnswer:
		return fmt.Errorf("%s at %s: an answer of more than %d bytes", operation, c.endpoint.Host, MaxAnswer)
	case resp.StatusCode != http.StatusOK:
		return c.failure(operation, resp.Status, raw)
	case out == nil:
		return nil
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return fmt.Errorf("%s at %s: the answer is not as it should be: %w", operation, c.endpoint.Host, err)
	}
	return nil
}

// failure returns what the service said about an error. What has a name of AWS's is
// told by it; Go's decoder takes the message in either case.
func (c *client) failure(operation, status string, raw []byte) error {
	var doc struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}
	if json.Unmarshal(raw, &doc) != nil || doc.Type == "" {
		return fmt.Errorf("%s at %s: %s", operation, c.endpoint.Host, status)
	}
	kind := doc.Type[strings.LastIndexByte(doc.Type, '#')+1:]
	text := doc.Message[:min(len(doc.Message), maxSaid)]
	if kind == "NotFoundException" {
		return fmt.Errorf("%s at %s: %w: %s", operation, c.endpoint.Host, errNotFound, text)
	}
	return fmt.Errorf("%s at %s: %s: %s: %s", operation, c.endpoint.Host, status, kind[:min(len(kind), maxSaid)], text)
}
