package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/hallmark-oci/hallmark/testdata/lab"
)

// A program is one of those that are driven, a peer by its name in package lab.
type program string

const (
	ours    program = "hallmark"
	cosign2 program = "cosign2"
	cosign3 program = "cosign3"
)

// refused is the exit code of a step whose program has to fail, with whatever
// code: the peers know many.
const refused = -1

// A step is one run of a program.
type step struct {
	name string
	by   program
	// args are the arguments, separated by spaces; $NAME is replaced, see expand.
	args string
	exit int
	// says is a part of what it has to print on standard error, so that a refusal
	// is one for the right reason.
	says string
	// prints is a part of what it has to print on standard output.
	prints string
	// reason is a reason of hallmark's that its JSON answer has to hold.
	reason string
	// fault is what a service does meanwhile, as "rekor1: replay", with the
	// parameters of package fault behind it: "rekor1: delay delay=2s".
	fault string
	env   []string // $NAME is replaced in them too
	// logins is how often somebody logs in with the address that it prints.
	logins int
	// alone says that no service but the registries may be asked anything.
	alone bool
	// barren says that nothing may be written to a registry.
	barren bool
}

// A group is steps that build on each other.
type group struct {
	name  string
	steps []step
}

// do runs the step and says whether it ended as it has to.
func (b *bench) do(ctx context.Context, s step) (lab.Result, error) {
	text, err := b.expand(s.args)
	if err != nil {
		return lab.Result{}, err
	}
	cmd := b.programs[s.by]
	cmd.Env = slices.Clone(cmd.Env)
	for _, e := range s.env {
		e, err := b.expand(e)
		if err != nil {
			return lab.Result{}, err
		}
		cmd.Env = append(cmd.Env, e)
	}
	if _, err := b.administer(ctx, http.MethodDelete, "/faults"); err != nil {
		return lab.Result{}, err
	}
	if s.fault != "" {
		if err := b.inject(ctx, s.fault); err != nil {
			return lab.Result{}, err
		}
	}
	var p visitor
	cmd.Watch = &p
	p.comes = s.logins > 0
	r, err := cmd.Run(ctx, strings.Fields(text)...)
	if n := p.done(); n != s.logins {
		err = errors.Join(err, fmt.Errorf("somebody logged in %d times, not %d", n, s.logins))
	}
	return r, errors.Join(err, b.look(ctx, s), b.leaks(s, r), s.judge(r, text))
}

// look says whether the services were asked as they had to be, and heals them.
func (b *bench) look(ctx context.Context, s step) error {
	fronts, err := b.fronts(ctx)
	if err != nil {
		return err
	}
	var wrong []error
	if service, _, _ := strings.Cut(s.fault, ":"); s.fault != "" && fronts[service].Hits == 0 {
		wrong = append(wrong, fmt.Errorf("the fault %q struck nothing", s.fault))
	}
	for name, f := range fronts {
		_, isRegistry := b.registries[name]
		if s.alone && !isRegistry && f.Requests > 0 {
			wrong = append(wrong, fmt.Errorf("%d requests to %s", f.Requests, name))
		}
		if s.barren && isRegistry {
			wrong = append(wrong, b.written(ctx, name))
		}
	}
	_, err = b.administer(ctx, http.MethodDelete, "/faults")
	return errors.Join(append(wrong, err)...)
}

// written returns an error that tells what was written to the registry.
func (b *bench) written(ctx context.Context, registry string) error {
	raw, err := b.administer(ctx, http.MethodGet, "/requests/"+registry)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(raw)) {
		if method, _, _ := strings.Cut(line, " "); method != http.MethodGet && method != http.MethodHead {
			return fmt.Errorf("it wrote to the registry: %s", strings.TrimSpace(line))
		}
	}
	return nil
}

// judge says whether the step ended as it has to.
func (s step) judge(r lab.Result, text string) error {
	switch {
	case s.exit != 0 && s.says == "" && s.reason == "":
		return errors.New("this step does not tell for what it is refused")
	case s.exit == refused && r.Code == 0:
		return fmt.Errorf("accepted, it should be refused: %s %s", s.by, text)
	case s.exit != refused && r.Code != s.exit:
		return fmt.Errorf("exit code %d, not %d: %s %s", r.Code, s.exit, s.by, text)
	case !strings.Contains(r.Err, s.says):
		return fmt.Errorf("it does not say %q: %s %s", s.says, s.by, text)
	case !strings.Contains(r.Out, s.prints):
		return fmt.Errorf("it does not print %q: %s %s", s.prints, s.by, text)
	case s.reason != "":
		return hasReason(r.Out, s.reason)
	}
	return nil
}

// inject makes a service fail, as the fault of a step says.
func (b *bench) inject(ctx context.Context, fault string) error {
	service, how, ok := strings.Cut(fault, ": ")
	words := strings.Fields(how)
	if !ok || len(words) == 0 {
		return fmt.Errorf("%q is no fault", fault)
	}
	q := url.Values{"mode": {words[0]}}
	for _, w := range words[1:] {
		k, v, _ := strings.Cut(w, "=")
		q.Set(k, v)
	}
	_, err := b.administer(ctx, http.MethodPost, "/faults/"+service+"?"+q.Encode())
	return err
}

// front is what the administrator tells of the front before a service.
type front struct{ Hits, Requests int }

func (b *bench) fronts(ctx context.Context) (map[string]front, error) {
	raw, err := b.administer(ctx, http.MethodGet, "/faults")
	if err != nil {
		return nil, err
	}
	var fronts map[string]front
	return fronts, json.Unmarshal(raw, &fronts)
}

// hasReason looks for the reason anywhere in a JSON document.
func hasReason(doc, reason string) error {
	var v any
	if err := json.Unmarshal([]byte(doc), &v); err != nil {
		return fmt.Errorf("no JSON on standard output: %w", err)
	}
	found := reasons(v)
	if !slices.Contains(found, reason) {
		return fmt.Errorf("the reasons are %q, none is %q", found, reason)
	}
	return nil
}

func reasons(v any) []string {
	var all []string
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			if s, ok := x.(string); ok && k == "reason" {
				all = append(all, s)
			}
			all = append(all, reasons(x)...)
		}
	case []any:
		for _, x := range v {
			all = append(all, reasons(x)...)
		}
	}
	return all
}
