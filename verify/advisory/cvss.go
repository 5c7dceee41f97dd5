package advisory

import (
	"math"
	"strings"
)

// baseScore3 computes the base score of a CVSS 3.0 or 3.1 vector after the
// specification of 3.1, section 7.1. Metrics of the other groups are passed
// over; a vector that lacks a base metric, has one twice or an unknown value
// for one has no score.
func baseScore3(vector string) (float64, bool) {
	m, ok := metrics3(vector)
	if !ok {
		return 0, false
	}
	changed := m["S"] == "C"
	w := func(metric, values string, weights ...float64) float64 {
		i := strings.Index(values, m[metric])
		if i < 0 || len(m[metric]) != 1 {
			ok = false
			return 0
		}
		return weights[i]
	}
	privileges := []float64{0.85, 0.62, 0.27}
	if changed {
		privileges = []float64{0.85, 0.68, 0.5}
	}
	exploitability := 8.22 * w("AV", "NALP", 0.85, 0.62, 0.55, 0.2) * w("AC", "LH", 0.77, 0.44) *
		w("PR", "NLH", privileges...) * w("UI", "NR", 0.85, 0.62)
	w("S", "UC", 0, 0)
	impact := 1.0
	for _, metric := range []string{"C", "I", "A"} {
		impact *= 1 - w(metric, "HLN", 0.56, 0.22, 0)
	}
	if !ok {
		return 0, false
	}
	return combine3(1-impact, exploitability, changed), true
}

// combine3 puts the impact sub-score and the exploitability together.
func combine3(iss, exploitability float64, changed bool) float64 {
	impact := 6.42 * iss
	if changed {
		impact = 7.52*(iss-0.029) - 3.25*math.Pow(iss-0.02, 15)
	}
	if impact <= 0 {
		return 0
	}
	score := impact + exploitability
	if changed {
		score *= 1.08
	}
	return roundUp(math.Min(score, 10))
}

// roundUp rounds up to one decimal in the way of appendix A of the specification.
func roundUp(x float64) float64 {
	i := int(math.Round(x * 100000))
	if i%10000 == 0 {
		return float64(i) / 100000
	}
	return (math.Floor(float64(i)/10000) + 1) / 10
}

// metrics3 splits a vector. It refuses one that names a metric twice.
func metrics3(vector string) (map[string]string, bool) {
	parts := strings.Split(vector, "/")
	if len(vector) > MaxVector || parts[0] != "CVSS:3.0" && parts[0] != "CVSS:3.1" {
		return nil, false
	}
	m := make(map[string]string, len(parts))
	for _, p := range parts[1:] {
		name, value, ok := strings.Cut(p, ":")
		if _, twice := m[name]; twice || !ok || value == "" {
			return nil, false
		}
		m[name] = value
	}
	return m, true
}
