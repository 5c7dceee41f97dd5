package attach

// A Diagnosis is what was found out of a place that stores: what it can do, and
// how hallmark would keep attachments there.
type Diagnosis struct {
	// Place is the repository or layout as a reader would type it.
	Place string
	// Traits are what was found out, in the order in which it is told.
	Traits []Trait
	// Plan is how attachments would be kept, step by step, with reasons.
	Plan []Trait
	// Works says whether attaching works without loss: [Yes], [No], or [Unknown]
	// where that could not be found out.
	Works Answer
	// Left are the objects that could not be removed again: tags, and digests of
	// manifests without one.
	Left []string
}

// A Trait is one thing that was found out.
type Trait struct {
	Name   string // what was looked at: "referrers", "delete by tag"
	Value  Answer // the answer in one word
	Detail string // what the place answered, or what follows
}

// An Answer is one word: Yes, No, Unknown, or one that the trait's name explains.
type Answer string

// The answers that stand for themselves.
const (
	Yes     Answer = "yes"
	No      Answer = "no"
	Unknown Answer = "unknown"
)

// Note adds what was found out.
func (d *Diagnosis) Note(name string, value Answer, detail string) {
	d.Traits = append(d.Traits, Trait{name, value, detail})
}

// Intend adds a step of the plan.
func (d *Diagnosis) Intend(name string, value Answer, reason string) {
	d.Plan = append(d.Plan, Trait{name, value, reason})
}

// Of returns the answer to what was looked at, Unknown when it was not.
func (d *Diagnosis) Of(name string) Answer {
	for _, t := range d.Traits {
		if t.Name == name {
			return t.Value
		}
	}
	return Unknown
}
