package policy

import (
	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/policy/condition"
	"github.com/hallmark-oci/hallmark/verify/policy/doc"
)

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
