package report

// Failure is the answer of a command that came to none: what is printed on
// stderr too. As a document it takes the place of the one that was asked for.
type Failure struct {
	Error string `json:"error"`
	// Reason is a machine-readable code, where the failure has one.
	Reason   string `json:"reason,omitempty"`
	Hint     string `json:"hint,omitempty"`
	ExitCode int    `json:"exitCode"`
}

func (Failure) kind() string { return "failure" }

func (f Failure) text(p *printer) {
	p.linef("hallmark: error: %s", f.Error)
	if f.Hint != "" {
		p.linef("hallmark: hint: %s", f.Hint)
	}
}
