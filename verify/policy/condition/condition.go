// Package condition judges what a signed statement says by a condition in CEL, the
// Common Expression Language (https://cel.dev, language definition of cel-spec).
//
// A condition is one expression that yields true or false:
//
//	predicate.runDetails.builder.id == "https://builder.example/v1"
//	predicate.scanner.result.all(r, r.severity != "critical") && predicate.version >= 2
//	has(predicate.approved) && timestamp(predicate.approved) > now - duration("72h")
//
// These are the variables:
//
//	predicate   what the statement says, JSON as CEL has it
//	statement   the whole in-toto statement: statement.predicateType, statement.subject
//	subject     the image that is judged: subject.digest, "sha256:<hex>", and
//	            subject.repository, by which the store knows it
//	now         the present time
//
// Numbers of JSON without fraction and exponent that fit are int, all others double,
// and compare with each other. A member that is not there is an error; has(a.b) and
// a.?b.orValue(x) ask first. There are the functions and macros of CEL's standard
// definition and optional values, and nothing that reads files, the network or the
// environment.
//
// # What is bounded
//
// The length of an expression and how deep it nests, the size of the statement that is
// looked into, the cost of one evaluation as CEL counts it, and its time by the context.
// What is beyond, and what cannot be answered, is no "yes": that statement does not
// count, with a reason code.
//
// The expression is compiled where the policy is read, so that one that is wrong, that
// cannot yield true or false, or that does not look at the statement is an error of the
// file. The library is used by nobody else and does nothing before the first expression.
package condition

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"

	"github.com/hallmark-oci/hallmark/verify"
)

// Limits on conditions and on what they look at. They are applied before memory is taken.
const (
	// MaxExpression is the size of the longest expression, in bytes.
	MaxExpression = 8 << 10
	// maxNesting is how deep an expression nests.
	maxNesting = 64
	// MaxStatement is the size of the largest statement that is looked into, in bytes.
	MaxStatement = 4 << 20
	// maxCost bounds one evaluation, in the units of CEL, about one for each operation
	// and for each ten bytes of text that are looked at: a loop over 20,000 elements, or
	// two nested ones over 140. Most often that is two seconds at worst; to compare what
	// nests deep counts as little and takes long, which maxTime ends.
	maxCost = 100_000
	maxTime = 10 * time.Second
	// interruptEvery is how many rounds of a loop are run until the context is asked.
	interruptEvery = 1
	// maxDetail is the length of the longest text of an error, in bytes.
	maxDetail = 300
)

// ErrExpression says that an expression cannot be used.
var ErrExpression = errors.New("no condition in CEL")

// A Compiler makes conditions. It is made once for many.
type Compiler struct {
	env *cel.Env
	now func() time.Time
}

// NewCompiler returns a compiler. Conditions that ask for the present time are refused
// where now is nil.
func NewCompiler(now func() time.Time) (*Compiler, error) {
	env, err := cel.NewEnv(
		cel.Variable("predicate", cel.DynType),
		cel.Variable("statement", cel.MapType(cel.StringType, cel.DynType)),
		cel.Variable("subject", cel.MapType(cel.StringType, cel.StringType)),
		cel.Variable("now", cel.TimestampType),
		cel.OptionalTypes(),
		cel.CrossTypeNumericComparisons(true),
		cel.DefaultUTCTimeZone(true),
		cel.ParserRecursionLimit(maxNesting),
		cel.ParserExpressionSizeLimit(MaxExpression),
		cel.ASTValidators(cel.ValidateDurationLiterals(), cel.ValidateTimestampLiterals(), cel.ValidateRegexLiterals(), cel.ValidateComprehensionNestingLimit(3)),
	)
	if err != nil {
		return nil, fmt.Errorf("set up CEL: %w", err)
	}
	return &Compiler{env: env, now: now}, nil
}

// A Condition is an expression that is ready to be asked. It is a [verify.Demand].
type Condition struct {
	text    string
	program cel.Program
	uses    map[string]bool // variables
	now     func() time.Time
}

// Compile checks the expression. The error wraps [ErrExpression] and names line and
// column in the expression.
func (c *Compiler) Compile(text string) (*Condition, error) {
	if len(text) > MaxExpression {
		return nil, refuse("%d bytes, at most %d are read", len(text), MaxExpression)
	}
	ast, issues := c.env.Compile(text)
	if issues.Err() != nil {
		var all []string
		for _, e := range issues.Errors() {
			all = append(all, fmt.Sprintf("line %d, column %d: %s", e.Location.Line(), e.Location.Column()+1, short(e.Message)))
		}
		return nil, refuse("%s", strings.Join(all[:min(len(all), 3)], "; "))
	}
	if t := ast.OutputType(); !t.IsExactType(cel.BoolType) && !t.IsExactType(cel.DynType) {
		return nil, refuse("it yields %s, not true or false", t)
	}
	out := &Condition{text: strings.Join(strings.Fields(text), " "), uses: make(map[string]bool), now: c.now}
	for _, ref := range ast.NativeRep().ReferenceMap() {
		out.uses[ref.Name] = true
	}
	switch {
	case !out.uses["predicate"] && !out.uses["statement"]:
		return nil, refuse("it looks at neither predicate nor statement, and asks them for nothing")
	case out.uses["now"] && c.now == nil:
		return nil, refuse("it asks for the time, and there is no clock")
	}
	var err error
	out.program, err = c.env.Program(ast, cel.CostLimit(maxCost), cel.InterruptCheckFrequency(interruptEvery), cel.CustomDecoratorV2(bounded))
	if err != nil {
		return nil, refuse("%v", err)
	}
	return out, nil
}

func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrExpression, fmt.Sprintf(format, args...))
}

// short is the beginning of a text, on one line.
func short(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > maxDetail {
		text = strings.ToValidUTF8(text[:maxDetail], "") + "..."
	}
	return text
}

// String returns the condition in words.
func (c *Condition) String() string { return "the statement meets the condition " + c.text }

// Judge asks the condition of a statement.
func (c *Condition) Judge(ctx context.Context, claim verify.Claim) (verify.Ruling, error) {
	vars, err := c.variables(claim)
	if errors.Is(err, errInput) {
		return failed(time.Time{}, err), nil
	}
	if err != nil {
		return verify.Ruling{}, err
	}
	return c.ask(ctx, vars)
}

// errTime says that an evaluation took too long: of the statement nothing can be told.
var errTime = errors.New("the evaluation takes too long")

// ask evaluates the expression.
func (c *Condition) ask(ctx context.Context, vars map[string]any) (verify.Ruling, error) {
	var until time.Time
	if c.uses["now"] {
		until = c.now() // a moment later the answer may be another one
		vars["now"] = types.Timestamp{Time: until}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, maxTime, errTime)
	defer cancel()
	out, _, err := c.program.ContextEval(ctx, vars)
	if cause := context.Cause(ctx); cause != nil {
		return verify.Ruling{}, fmt.Errorf("condition %s: %w", short(c.text), cause)
	}
	if err != nil {
		return failed(until, err), nil
	}
	switch out {
	case types.True:
		return verify.Ruling{Outcome: verify.Accept, Reason: verify.Accepted, Until: until}, nil
	case types.False:
		return verify.Ruling{Outcome: verify.Reject, Reason: verify.ConditionNotMet, Until: until, Detail: "the condition does not hold: " + short(c.text)}, nil
	}
	return failed(until, fmt.Errorf("it yields %s, not true or false", out.Type())), nil
}

// failed rejects a statement of which the condition cannot be answered.
func failed(until time.Time, err error) verify.Ruling {
	return verify.Ruling{Outcome: verify.Reject, Reason: verify.ConditionFailed, Until: until, Detail: "the condition cannot be answered: " + short(err.Error())}
}

// errInput says that what was signed is not such that a condition can look at it.
var errInput = errors.New("the statement cannot be looked into")

// variables reads what the expression looks at.
func (c *Condition) variables(claim verify.Claim) (map[string]any, error) {
	if claim.Size > MaxStatement {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are read", errInput, claim.Size, MaxStatement)
	}
	vars := map[string]any{"subject": map[string]string{
		"digest": claim.Subject.Desc.Digest.String(), "repository": claim.Subject.Repo,
	}}
	for name, open := range map[string]func() (io.Reader, error){
		"predicate": claim.Predicate,
		"statement": func() (io.Reader, error) { return claim.Statement(), nil },
	} {
		if !c.uses[name] {
			continue
		}
		r, err := open()
		if err == nil {
			vars[name], err = decode(r)
		}
		if err != nil {
			return nil, err
		}
	}
	return vars, nil
}
