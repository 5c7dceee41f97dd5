package policy

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/hallmark-oci/hallmark/sbom"
	"github.com/hallmark-oci/hallmark/sign/key"
	"github.com/hallmark-oci/hallmark/sign/payload"
	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/keyless"
	"github.com/hallmark-oci/hallmark/verify/policy/condition"
	"github.com/hallmark-oci/hallmark/verify/policy/doc"
	"github.com/hallmark-oci/hallmark/verify/policy/quality"
	"github.com/hallmark-oci/hallmark/verify/policy/scanned"
)

// A demand is what a scope asks of one kind of evidence.
type demand struct {
	skip        bool // required: false
	typ         string
	keys        []*key.Public
	validity    validities
	identities  []keyless.Identity
	threshold   int
	maxAge      time.Duration
	annotations map[string]string
	demands     []verify.Demand
}

func (p *parser) signature(v doc.Value) (*demand, error) {
	d := &demand{}
	return d, p.optional(v, d, fields{"annotations": doc.Into(&d.annotations, annotations)})
}

// optional reads a demand that can be switched off, with fields of its own.
func (p *parser) optional(v doc.Value, d *demand, own fields) error {
	required := true
	own["keys"] = doc.Into(&d.keys, p.timedKeys(&d.validity))
	own["identities"] = doc.Into(&d.identities, list(certified))
	own["threshold"] = doc.Into(&d.threshold, threshold)
	names := slices.Sorted(maps.Keys(own))
	own["required"] = doc.Into(&required, doc.Value.Bool)
	if err := v.Fields(own); err != nil {
		return err
	}
	d.skip = !required
	for _, f := range names {
		if d.skip && v.Has(f) {
			return v.Errorf("what is not required has no %s", f)
		}
	}
	return nil
}

func (p *parser) attestation(v doc.Value) (demand, error) {
	var d demand
	err := v.Fields(map[string]func(doc.Value) error{
		"type":       doc.Into(&d.typ, predicateType),
		"maxAge":     doc.Into(&d.maxAge, duration),
		"cel":        d.asks(p.condition),
		"keys":       doc.Into(&d.keys, p.timedKeys(&d.validity)),
		"identities": doc.Into(&d.identities, list(certified)),
		"threshold":  doc.Into(&d.threshold, threshold),
	}, "type")
	return d, err
}

// checked reads with which advisories the image must have been checked. The name of the
// set is the type of the demand.
func (p *parser) checked(v doc.Value) (demand, error) {
	var d demand
	var s scanned.Demand
	err := v.Fields(fields{
		"advisories": doc.Into(&s.Advisories, text),
		"maxAge":     doc.Into(&d.maxAge, duration),
		"minVersion": func(v doc.Value) error {
			t, err := v.Date()
			if err == nil {
				s.MinVersion = t.Format(time.RFC3339)
				return nil
			}
			if s.MinVersion, err = text(v); err != nil {
				return err
			}
			if err = scanned.CheckVersion(s.MinVersion); err != nil {
				err = v.Errorf("%w", err)
			}
			return err
		},
		"failOn":     doc.Into(&s.FailOn, func(v doc.Value) (string, error) { return v.OneOf("any", "low", "medium", "high", "critical") }),
		"keys":       doc.Into(&d.keys, p.timedKeys(&d.validity)),
		"identities": doc.Into(&d.identities, list(certified)),
		"threshold":  doc.Into(&d.threshold, threshold),
	}, "advisories", "maxAge")
	d.typ, d.demands = s.Advisories, []verify.Demand{s}
	return d, err
}

// countersigned reads who must have counter-signed each entry that counts.
func (p *parser) countersigned(v doc.Value) (*verify.Counter, error) {
	c := &verify.Counter{Threshold: 1}
	return c, v.Fields(map[string]func(doc.Value) error{
		"keys":      doc.Into(&c.Keys, p.timedKeys(&c.Validity)),
		"threshold": doc.Into(&c.Threshold, threshold),
	}, "keys")
}

// sbom reads what is asked of the SBOM.
func (p *parser) sbom(v doc.Value) (*demand, error) {
	d := &demand{}
	var q quality.Demand
	err := p.optional(v, d, fields{
		"maxAge":  doc.Into(&d.maxAge, duration),
		"formats": doc.Into(&q.Formats, list(sbomFormat)),
		"quality": doc.Into(&q.Quality, sbomQuality),
	})
	if v.Has("formats") || v.Has("quality") {
		d.demands = append(d.demands, q)
	}
	return d, err
}

func sbomFormat(v doc.Value) (quality.Format, error) {
	var f quality.Format
	return f, v.Fields(fields{
		"name": doc.Into(&f.Standard, func(v doc.Value) (string, error) { return v.OneOf("spdx", "cyclonedx") }),
		"minVersion": func(v doc.Value) (err error) {
			if f.MinVersion, err = v.String(); err == nil {
				if err = quality.CheckVersion(f.MinVersion); err != nil {
					err = v.Errorf("%w", err)
				}
			}
			return err
		},
	}, "name")
}

func sbomQuality(v doc.Value) (sbom.Quality, error) {
	var q sbom.Quality
	err := v.Fields(fields{
		"packages":  doc.Into(&q.Components, func(v doc.Value) (int, error) { return v.Int(1, sbom.MaxComponents) }),
		"versions":  doc.Into(&q.Versions, percent),
		"purls":     doc.Into(&q.PURLs, percent),
		"licenses":  doc.Into(&q.Licenses, percent),
		"suppliers": doc.Into(&q.Suppliers, percent),
		"relations": doc.Into(&q.Relations, yes),
		"author":    doc.Into(&q.Author, yes),
		"created":   doc.Into(&q.Created, yes),
		"complete":  doc.Into(&q.Complete, yes),
	})
	if err == nil && q == (sbom.Quality{}) {
		err = v.Errorf("it asks for nothing")
	}
	return q, err
}

// percent reads a share: 95%.
func percent(v doc.Value) (int, error) {
	s, err := v.String()
	if err != nil {
		return 0, err
	}
	m := regexp.MustCompile(`^(100|[1-9][0-9]?)%$`).FindStringSubmatch(s)
	if m == nil {
		return 0, v.Errorf("%.20q is no share like 95%%, from 1%% to 100%%", s)
	}
	return strconv.Atoi(m[1])
}

// yes reads true. What is not asked for is left away.
func yes(v doc.Value) (bool, error) {
	b, err := v.Bool()
	if err == nil && !b {
		err = v.Errorf("leave it away where it is not asked for")
	}
	return b, err
}

// asks returns a function that adds what read returns to what is demanded.
func (d *demand) asks(read func(doc.Value) (verify.Demand, error)) func(doc.Value) error {
	return func(v doc.Value) error {
		more, err := read(v)
		if err == nil {
			d.demands = append(d.demands, more)
		}
		return err
	}
}

// condition reads a condition in CEL.
func (p *parser) condition(v doc.Value) (verify.Demand, error) {
	s, err := v.String()
	if err != nil {
		return nil, err
	}
	if p.conditions == nil {
		if p.conditions, err = condition.NewCompiler(p.Now); err != nil {
			return nil, v.Errorf("%w", err)
		}
	}
	c, err := p.conditions.Compile(s)
	if err != nil {
		return nil, v.Errorf("%w", err)
	}
	return c, nil
}

func predicateType(v doc.Value) (string, error) {
	s, err := v.String()
	if err != nil {
		return "", err
	}
	uri, err := payload.TypeURI(s)
	if err != nil {
		return "", v.Errorf("%w", err)
	}
	if uri == payload.Sign {
		return "", v.Errorf("statements of this type are image signatures, no attestations")
	}
	return uri, nil
}

func annotations(v doc.Value) (map[string]string, error) {
	out := make(map[string]string)
	err := v.Each(func(name string, member doc.Value) (err error) {
		out[name], err = member.String()
		return err
	})
	if err == nil && (len(out) == 0 || len(out) > maxList) {
		err = v.Errorf("%d annotations", len(out))
	}
	return out, err
}

// duration reads a whole number of minutes, hours or days: 90m, 12h, 30d.
func duration(v doc.Value) (time.Duration, error) {
	s, err := v.String()
	if err != nil {
		return 0, err
	}
	m := regexp.MustCompile(`^([1-9][0-9]{0,4})([mhd])$`).FindStringSubmatch(s)
	if m == nil {
		return 0, v.Errorf("%.40q is no age like 90m, 12h or 30d", s)
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return 0, v.Errorf("%w", err)
	}
	unit := map[string]time.Duration{"m": time.Minute, "h": time.Hour, "d": 24 * time.Hour}[m[2]]
	return time.Duration(n) * unit, nil
}
