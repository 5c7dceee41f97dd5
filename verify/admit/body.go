package admit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"runtime"
	"time"
)

// A desk is where reviews are read. Bodies wait in memory and grow twentyfold
// when they are decoded, so that both are done for so many at once only.
type desk struct {
	reviews  chan struct{} // one for each review under way
	large    chan struct{} // one for each large body
	decoding chan struct{}
}

func newDesk() *desk {
	return &desk{
		reviews:  make(chan struct{}, maxReviews),
		large:    make(chan struct{}, maxLarge),
		decoding: make(chan struct{}, max(2, runtime.GOMAXPROCS(0))),
	}
}

// An unreadable is why a body was not read, with the HTTP status for it.
type unreadable struct {
	status int
	error
}

func (e *unreadable) Unwrap() error { return e.error }

func unread(status int, format string, args ...any) error {
	return &unreadable{status, fmt.Errorf(format, args...)}
}

// statusOf returns the HTTP status for an error of read.
func statusOf(err error) int {
	var u *unreadable
	if errors.As(err, &u) {
		return u.status
	}
	return http.StatusInternalServerError
}

// read reads a review and finds out what it asks, as long as the context lasts.
func (d *desk) read(ctx context.Context, w http.ResponseWriter, r *http.Request) (*request, error) {
	if mt, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mt != "application/json" {
		return nil, unread(http.StatusUnsupportedMediaType, "content type %.100q, application/json is read", r.Header.Get("Content-Type"))
	}
	defer hurry(ctx, w)()
	body := http.MaxBytesReader(w, r.Body, MaxReview)
	var raw bytes.Buffer
	_, err := io.CopyN(&raw, body, maxSmall)
	if err == nil {
		// To wait here would keep all else from coming in over the same connection.
		select {
		case d.large <- struct{}{}:
			defer func() { <-d.large }()
		default:
			return nil, unread(http.StatusServiceUnavailable, "too many large reviews are being read")
		}
		_, err = io.Copy(&raw, body)
	} else if errors.Is(err, io.EOF) {
		err = nil
	}
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, unread(http.StatusRequestEntityTooLarge, "the review is larger than %d bytes", MaxReview)
	case err != nil && ctx.Err() != nil:
		return nil, unread(http.StatusRequestTimeout, "the review did not arrive in time")
	case err != nil:
		return nil, unread(http.StatusBadRequest, "read review: %w", err)
	}
	select {
	case d.decoding <- struct{}{}:
		defer func() { <-d.decoding }()
	case <-ctx.Done():
		return nil, unread(http.StatusServiceUnavailable, "too many reviews are being read")
	}
	req, err := parseReview(raw.Bytes())
	if err != nil {
		return nil, unread(http.StatusBadRequest, "%w", err)
	}
	req.settle()
	return req, nil
}

// hurry ends the reading of the body with the context. What it returns must be
// called when the body is read.
func hurry(ctx context.Context, w http.ResponseWriter) (done func()) {
	rc := http.NewResponseController(w)
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		_ = rc.SetReadDeadline(time.Unix(1, 0)) // not all that answers has one
	})
	return func() {
		if !stop() {
			<-ended
			return
		}
		_ = rc.SetReadDeadline(time.Time{})
	}
}
