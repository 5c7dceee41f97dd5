package admit

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hallmark-oci/hallmark/verify"
)

// Handler answers AdmissionReviews and questions about the gate itself; see the
// package comment for the paths.
func (g *Gate) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /validate", g.serve("validate", g.validate))
	mux.HandleFunc("POST /mutate", g.serve("mutate", g.mutate))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if g.draining.Load() {
			http.Error(w, "draining", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		g.metrics.write(w, g)
	})
	return mux
}

// serve reads a review, has it answered within the budget and writes the
// answer. What cannot be read is an HTTP error, which the API server takes for
// a failure of the webhook; a panic is a refusal.
func (g *Gate) serve(path string, decide func(context.Context, *request) *response) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		begun := g.opts.Now()
		select {
		case g.desk.reviews <- struct{}{}:
			defer func() { <-g.desk.reviews }()
		default:
			g.metrics.reviewed(path, "overloaded", 0)
			http.Error(w, "too many reviews are under way", http.StatusServiceUnavailable)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), g.budget(r))
		defer cancel()
		req, err := g.desk.read(ctx, w, r)
		if err != nil {
			g.metrics.reviewed(path, "unreadable", g.opts.Now().Sub(begun))
			http.Error(w, clean(err.Error(), maxMessage), statusOf(err))
			return
		}
		resp := guard(ctx, req, decide)
		decision := "refused"
		if resp.Allowed {
			decision = "admitted"
		}
		raw, err := json.Marshal(review{APIVersion: apiVersion, Kind: "AdmissionReview", Response: resp})
		if err != nil {
			http.Error(w, "the answer cannot be written", http.StatusInternalServerError)
			return
		}
		g.metrics.reviewed(path, decision, g.opts.Now().Sub(begun))
		w.Header().Set("Content-Type", "application/json")
		w.Write(raw) // one who went away needs no answer
	}
}

// guard turns a panic into a refusal.
func guard(ctx context.Context, req *request, decide func(context.Context, *request) *response) (resp *response) {
	defer func() {
		if p := recover(); p != nil {
			resp = refuse(req.UID, 500, "InternalError", fmt.Sprintf("%s: %v", verify.Internal, p))
		}
	}()
	return decide(ctx, req)
}

// budget is how long this review may take. The API server says how long it
// waits: "?timeout=10s".
func (g *Gate) budget(r *http.Request) time.Duration {
	budget := g.opts.Budget
	if t, err := time.ParseDuration(r.URL.Query().Get("timeout")); err == nil && t > 0 {
		budget = min(budget, max(t-reserve, t/2))
	}
	return budget
}

// validate judges all images of the object.
func (g *Gate) validate(ctx context.Context, req *request) *response {
	if req.wrong != nil {
		return refuse(req.UID, 400, "BadRequest", req.wrong.Error())
	}
	q := req.asks
	answers := each(g.asked(q), func(i Image) Answer { return g.Judge(ctx, i.Ref, q.object) })
	return conclude(req.UID, answers)
}

// asked returns the images to judge: those that the request brings, and those
// that were there where other policies apply to the object's new labels, or where the
// policies judge the object itself and it has changed.
func (g *Gate) asked(q question) []Image {
	images := slices.Clone(q.images)
	set := g.set.Load()
	if !set.ShowsObjects() {
		q.object.Forget()
		q.was.Forget()
		if q.was == nil || maps.Equal(q.was.Labels, q.object.Labels) {
			return images
		}
	}
	for _, i := range q.standing {
		if set.Match(i.Ref, q.object).Hash() != set.Match(i.Ref, q.was).Hash() {
			images = append(images, i)
		}
	}
	return images
}

// mutate writes digests behind the tags that a request brings. Those that an
// object had before stay as they are: of most of them Kubernetes allows no change.
func (g *Gate) mutate(ctx context.Context, req *request) *response {
	if req.wrong != nil {
		return refuse(req.UID, 400, "BadRequest", req.wrong.Error())
	}
	q := req.asks
	type pin struct {
		ref string
		Answer
	}
	pins := each(q.images, func(i Image) pin {
		ref, check, pass := g.pin(ctx, i, q)
		p := pin{ref: ref, Answer: Answer{Image: i, Pass: true}}
		if check != nil {
			p.Answer = single(i.Ref, *check, pass)
		}
		return p
	})
	var patches []patch
	answers := make([]Answer, len(pins))
	for i, p := range pins {
		answers[i] = p.Answer
		at := q.images[i]
		// Through this subresource nothing else of a Pod can change.
		if req.SubResource == "ephemeralcontainers" && !strings.HasPrefix(at.Path, "/spec/ephemeralContainers/") {
			continue
		}
		if p.ref != at.Ref {
			patches = append(patches, patch{Op: "replace", Path: at.Path, Value: p.ref})
		}
	}
	resp := conclude(req.UID, answers)
	if resp.Allowed && len(patches) > 0 {
		raw, err := json.Marshal(patches)
		if err != nil {
			return refuse(req.UID, 500, "InternalError", err.Error())
		}
		resp.Patch, resp.PatchType = raw, "JSONPatch"
	}
	return resp
}

// pin is Pin with a panic turned into a check.
func (g *Gate) pin(ctx context.Context, i Image, q question) (ref string, check *verify.Check, pass bool) {
	defer func() {
		if p := recover(); p != nil {
			c := internal(fmt.Errorf("%w: %v", errPanic, p))
			ref, check, pass = i.Ref, &c, false
		}
	}()
	return g.Pin(ctx, i.Ref, q.object)
}
