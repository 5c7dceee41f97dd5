package admit

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/policy"
)

// A review is an AdmissionReview of admission.k8s.io/v1, as far as it is read
// and written here. Fields that are not named are those of newer API servers.
type review struct {
	APIVersion string    `json:"apiVersion"`
	Kind       string    `json:"kind"`
	Request    *request  `json:"request,omitempty"`
	Response   *response `json:"response,omitempty"`
}

type request struct {
	UID         string         `json:"uid"`
	Kind        groupKind      `json:"kind"`
	SubResource string         `json:"subResource"`
	Operation   string         `json:"operation"`
	Object      map[string]any `json:"object"`
	OldObject   map[string]any `json:"oldObject"`

	asks  question // what settle found
	wrong error    // why it found none
}

type groupKind struct {
	Group   string `json:"group"`
	Version string `json:"version"`
	Kind    string `json:"kind"`
}

type response struct {
	UID       string            `json:"uid"`
	Allowed   bool              `json:"allowed"`
	Status    *status           `json:"status,omitempty"`
	Patch     []byte            `json:"patch,omitempty"`
	PatchType string            `json:"patchType,omitempty"`
	Warnings  []string          `json:"warnings,omitempty"`
	Audit     map[string]string `json:"auditAnnotations,omitempty"`
}

type status struct {
	Message string `json:"message"`
	Reason  string `json:"reason"`
	Code    int    `json:"code"`
}

// apiVersion is the version of AdmissionReview that is spoken.
const apiVersion = "admission.k8s.io/v1"

var errReview = errors.New("not an AdmissionReview that is read here")

// parseReview reads a review that holds a request.
func parseReview(raw []byte) (*request, error) {
	var r review
	if err := json.Unmarshal(raw, &r); err != nil {
		return nil, fmt.Errorf("%w: %w", errReview, err)
	}
	switch {
	case r.APIVersion != apiVersion || r.Kind != "AdmissionReview":
		return nil, fmt.Errorf("%w: %.100q of %.100q, %s is spoken", errReview, r.Kind, r.APIVersion, apiVersion)
	case r.Request == nil || r.Request.UID == "":
		return nil, fmt.Errorf("%w: no request", errReview)
	case len(r.Request.UID) > maxUID:
		return nil, fmt.Errorf("%w: the uid is longer than %d bytes", errReview, maxUID)
	}
	return r.Request, nil
}

// A question is what a request asks about.
type question struct {
	object *policy.Object
	images []Image // that the request brings
	// standing are images that the object had before; was is what policies could ask
	// about it then.
	standing []Image
	was      *policy.Object
}

// settle finds out what the request asks and lets the objects go, but for what policies
// may want to see of them: they take much memory, and judging may take long.
func (r *request) settle() {
	r.asks, r.wrong = r.ask()
	r.Object, r.OldObject = nil, nil
}

// ask returns the images of a request that are to be judged, none where the
// request needs no judgement: nothing is created, or only a status written.
func (r *request) ask() (question, error) {
	if r.SubResource != "" && r.SubResource != "ephemeralcontainers" || r.Operation != "CREATE" && r.Operation != "UPDATE" {
		return question{}, r.known()
	}
	w, ok := workloadOf(r.Kind.Group, r.Kind.Kind)
	if !ok {
		return question{}, fmt.Errorf("objects of kind %.100q in group %.100q are not known here", r.Kind.Kind, r.Kind.Group)
	}
	if r.Object == nil {
		return question{}, errors.New("the request has no object")
	}
	images, err := w.images(r.Object)
	if err != nil {
		return question{}, err
	}
	q := question{object: w.object(r.Kind.Version, r.Object), images: images}
	if r.Operation == "CREATE" || r.OldObject == nil {
		return q, nil
	}
	before, err := w.images(r.OldObject)
	if err != nil {
		return question{}, fmt.Errorf("the old object: %w", err)
	}
	var kept []Image
	q.images, kept = added(images, before)
	q.standing, q.was = kept, w.object(r.Kind.Version, r.OldObject)
	return q, nil
}

// known lets pass what brings no image, and nothing else: the operations and
// subresources that are not looked into.
func (r *request) known() error {
	switch {
	case r.Operation == "DELETE" || r.Operation == "CONNECT":
		return nil
	case slices.Contains([]string{"status", "scale", "resize", "binding", "eviction"}, r.SubResource):
		return nil
	}
	return fmt.Errorf("operation %.40q on subresource %.40q is not known here", r.Operation, r.SubResource)
}

// allow and refuse begin answers.
func allow(uid string) *response { return &response{UID: uid, Allowed: true} }

func refuse(uid string, code int, reason, message string) *response {
	return &response{UID: uid, Status: &status{Message: clean(message, maxMessage), Reason: reason, Code: code}}
}

// conclude turns the answers on all images into that on the object.
func conclude(uid string, answers []Answer) *response {
	var refusals, warnings []string
	overall, reason := verify.Accept, ""
	for _, a := range answers {
		for _, w := range a.Warnings {
			warnings = append(warnings, a.line(w))
		}
		if a.Pass {
			continue
		}
		line, why := a.refusal()
		refusals = append(refusals, line)
		if overall == verify.Accept || a.Verdict.Outcome == verify.Reject {
			overall, reason = a.Verdict.Outcome, string(why)
		}
	}
	r := allow(uid)
	if len(refusals) > 0 {
		slices.Sort(refusals)
		r = refuse(uid, 403, "Forbidden", strings.Join(slices.Compact(refusals), "\n"))
		r.Audit = map[string]string{"outcome": overall.String(), "reason": reason}
	}
	r.Warnings = tidy(warnings)
	return r
}

// refusal names the image and all that speaks against it.
func (a Answer) refusal() (line string, first verify.Reason) {
	var parts []string
	for _, c := range a.Verdict.Checks {
		if c.Outcome == verify.Accept || c.Warn {
			continue
		}
		if first == "" {
			first = c.Reason
		}
		parts = append(parts, fmt.Sprintf("%s (%s): %s", c.Reason, c.Rule, c.Detail))
	}
	return a.Image.Ref + ": " + strings.Join(parts, "; "), first
}

func (a Answer) line(c verify.Check) string {
	return fmt.Sprintf("%s: %s (%s): %s", a.Image.Ref, c.Reason, c.Rule, c.Detail)
}

// tidy keeps as many warnings, as long as Kubernetes hands on.
func tidy(warnings []string) []string {
	slices.Sort(warnings)
	warnings = slices.Compact(warnings)
	if len(warnings) > maxWarnings {
		more := fmt.Sprintf("and %d more warnings", len(warnings)-maxWarnings+1)
		warnings = append(warnings[:maxWarnings-1], more)
	}
	for i, w := range warnings {
		warnings[i] = clean(strings.ReplaceAll(w, "\n", " "), maxWarning)
	}
	return warnings
}

// clean makes a text fit to be shown: valid UTF-8, no control characters but
// line breaks, no longer than limit bytes.
func clean(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if r != '\n' && unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit-3], "") + "..."
	}
	return s
}

// A patch is one operation of a JSON patch (RFC 6902).
type patch struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value string `json:"value"`
}
