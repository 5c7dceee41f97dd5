package keyless

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Number says how many distinct authorities of one sort must vouch. The zero value
// is the default, so that what nobody thought of weakens nothing: that none need vouch
// is said with [None].
type Number int

// None asks for no authority of the sort.
const None Number = -1

// Exactly returns the Number for a count that somebody wrote down: 0 is [None].
func Exactly(n int) Number {
	if n == 0 {
		return None
	}
	return Number(n)
}

// count returns the number, where nothing else is said that of the default.
func (n Number) count(otherwise int) int {
	switch n {
	case 0:
		return otherwise
	case None:
		return 0
	}
	return int(n)
}

// A Quorum says how many distinct authorities must vouch for a signature. The default,
// which the zero value is, asks one certificate log, one transparency log and one clock
// to vouch for a certificate, and nobody for a key that is trusted by itself.
type Quorum struct {
	// CertificateLogs is how many must have signed that they saw the certificate.
	CertificateLogs Number
	// Logs is how many transparency logs must hold the signature.
	Logs Number
	// Clocks is how many must tell when the signature was made: timestamp
	// authorities, and logs whose promise covers the time. Where there is none, and
	// none is asked for, the present time is taken for it.
	Clocks Number
	// Timestamps is how many of the clocks must be timestamp authorities; by default
	// a log will do as well.
	Timestamps Number
}

// quorum is a Quorum with the defaults put in.
type quorum struct{ certificateLogs, logs, clocks, timestamps int }

// forCertificate puts in the defaults for signatures with a certificate.
func (q Quorum) forCertificate() quorum {
	return quorum{q.CertificateLogs.count(1), q.Logs.count(1), q.Clocks.count(1), q.Timestamps.count(0)}
}

// forKey does so for signatures by a key that is trusted by itself.
func (q Quorum) forKey() quorum {
	return quorum{0, q.Logs.count(0), q.Clocks.count(0), q.Timestamps.count(0)}
}

// String names the numbers that are said.
func (q Quorum) String() string {
	var said []string
	for _, p := range []struct {
		n    Number
		what string
	}{{q.CertificateLogs, "certificate logs"}, {q.Logs, "transparency logs"}, {q.Clocks, "clocks"}, {q.Timestamps, "timestamp authorities"}} {
		if p.n != 0 {
			said = append(said, fmt.Sprintf("%d %s", p.n.count(0), p.what))
		}
	}
	return strings.Join(said, ", ")
}

// Or returns the quorum with what it does not say taken from the other one.
func (q Quorum) Or(o Quorum) Quorum {
	or := func(n *Number, o Number) {
		if *n == 0 {
			*n = o
		}
	}
	or(&q.CertificateLogs, o.CertificateLogs)
	or(&q.Logs, o.Logs)
	or(&q.Clocks, o.Clocks)
	or(&q.Timestamps, o.Timestamps)
	return q
}

// Check refuses numbers that no root can meet.
func (q Quorum) Check() error {
	for _, n := range []Number{q.CertificateLogs, q.Logs, q.Clocks, q.Timestamps} {
		if n < None || n > maxAuthorities {
			return fmt.Errorf("%d authorities of one sort are asked for, at most %d can be", n, maxAuthorities)
		}
	}
	return nil
}

// Short returns, for each sort of authorities of which the quorum asks more of a
// certificate than the root names, how many it names; the zero value where there are
// enough. The root may be nil.
func (r *Root) Short(q Quorum) Quorum {
	var short Quorum
	asked := q.forCertificate()
	var have quorum
	if r != nil {
		have = quorum{len(r.trusted.CTLogs()), len(r.trusted.RekorLogs()), 0, len(r.trusted.TimestampingAuthorities())}
	}
	have.clocks = have.logs + have.timestamps
	for _, n := range []struct {
		asked, have int
		short       *Number
	}{
		{asked.certificateLogs, have.certificateLogs, &short.CertificateLogs}, {asked.logs, have.logs, &short.Logs},
		{asked.clocks, have.clocks, &short.Clocks}, {asked.timestamps, have.timestamps, &short.Timestamps},
	} {
		if n.have < n.asked {
			*n.short = Exactly(n.have)
		}
	}
	return short
}

// AsksOfKeys reports whether anybody must vouch for signatures by keys.
func (q Quorum) AsksOfKeys() bool { return q.forKey() != quorum{} }

// AsksLogs reports whether a log must hold a signature with a certificate.
func (q Quorum) AsksLogs() bool { return q.forCertificate().logs > 0 }

// AsksLogsOfKeys reports whether a log must hold a signature by a key.
func (q Quorum) AsksLogsOfKeys() bool { return q.forKey().logs > 0 }

// Waived names the authorities that the default asks to vouch for a certificate and
// this quorum does not, in words for people.
func (q Quorum) Waived() []string {
	n := q.forCertificate()
	var out []string
	if n.certificateLogs == 0 {
		out = append(out, "certificate log")
	}
	if n.logs == 0 {
		out = append(out, "transparency log")
	}
	if n.clocks == 0 && n.timestamps == 0 {
		out = append(out, "signing time")
	}
	return out
}

// A Validity is the time in which a key counts, both ends included; zero is no end.
type Validity struct{ NotBefore, NotAfter time.Time }

// Check refuses a time that ends before it begins.
func (v Validity) Check() error {
	if !v.NotBefore.IsZero() && !v.NotAfter.IsZero() && v.NotAfter.Before(v.NotBefore) {
		return fmt.Errorf("a key is valid from %s to %s, which is before", v.NotBefore.Format(time.RFC3339), v.NotAfter.Format(time.RFC3339))
	}
	return nil
}

// String says in words when the key counts.
func (v Validity) String() string {
	day := func(t time.Time) string { return t.UTC().Format(time.RFC3339) }
	switch {
	case v == Validity{}:
		return "always"
	case v.NotAfter.IsZero():
		return "from " + day(v.NotBefore) + " on"
	case v.NotBefore.IsZero():
		return "until " + day(v.NotAfter)
	}
	return "from " + day(v.NotBefore) + " until " + day(v.NotAfter)
}

// holds reports whether the key counts at the time.
func (v Validity) holds(t time.Time) bool {
	return !t.Before(v.NotBefore) && (v.NotAfter.IsZero() || !t.After(v.NotAfter))
}

// changes returns when the key begins or ceases to count after now; zero for never.
func (v Validity) changes(now time.Time) time.Time {
	if now.Before(v.NotBefore) {
		return v.NotBefore
	}
	if !v.NotAfter.IsZero() && !now.After(v.NotAfter) {
		return v.NotAfter
	}
	return time.Time{}
}

// Terms are what a signature is judged under.
type Terms struct {
	Quorum Quorum
	// Validity is the time in which the key counts that is trusted by itself.
	Validity Validity
	// Now tells the present time. It is taken for the time of a signature that no
	// trusted clock dates, and must be there where that may be so: where the Quorum
	// asks for no clock.
	Now func() time.Time
}

// A Dating tells when a signature was made.
type Dating struct {
	// Time is the earliest of the times that trusted clocks tell; zero where none
	// does and the signature was judged at the present time.
	Time time.Time
	// Until is when time alone may change the judgement; zero for never.
	Until time.Time
}

// errNoClock says that nothing tells the present time.
var errNoClock = errors.New("no clock tells the time of the signature, and nothing tells the present time")

// dated returns when the signature was made: the times that clocks tell or, where there
// are none, the present.
func (t Terms) dated(told []time.Time) (times []time.Time, d Dating, err error) {
	if len(told) > 0 {
		return told, Dating{Time: slices.MinFunc(told, time.Time.Compare)}, nil
	}
	if t.Now == nil {
		return nil, Dating{}, errNoClock
	}
	return []time.Time{t.Now()}, Dating{}, nil
}
