package report

// Admissions is the answer of admit test: what a cluster would do with objects.
type Admissions struct {
	Outcome string      `json:"outcome"`
	Objects []Admission `json:"objects"`
}

// Admission is the judgement on one object.
type Admission struct {
	File      string `json:"file"`
	Line      int    `json:"line"`
	Kind      string `json:"kindOfObject"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	// Judged is false for kinds that are not known to make Pods: whether such
	// an object leads to images nobody looked at.
	Judged bool            `json:"judged"`
	Images []AdmittedImage `json:"images"`
}

// AdmittedImage is the judgement on one image of an object.
type AdmittedImage struct {
	Path     string  `json:"path"`
	Image    string  `json:"image"`
	Pinned   string  `json:"pinned,omitempty"`
	Admitted bool    `json:"admitted"`
	Verdict  Verdict `json:"verdict"`
}

func (Admissions) kind() string { return "admissions" }

func (a Admissions) text(p *printer) {
	for _, o := range a.Objects {
		p.linef("%s:%d %s %s", o.File, o.Line, o.Kind, o.Name)
		for _, img := range o.Images {
			word := "refused"
			if img.Admitted {
				word = "admitted"
			}
			p.linef("  %s: %s %s", word, img.Path, img.Image)
			img.Verdict.text(p)
		}
		switch {
		case !o.Judged:
			p.linef("  not judged: no kind that is known to make Pods")
		case len(o.Images) == 0:
			p.linef("  no images")
		}
	}
	p.linef("%s", a.Outcome)
}
