package advisory

import (
	"testing"
	"time"
)

// TestBaseScore holds the scores against those of the CVSS 3.1 examples
// (first.org/cvss/v3.1/examples) and of the National Vulnerability Database.
func TestBaseScore(t *testing.T) {
	for _, c := range []struct {
		vector string
		score  float64
		level  Level
	}{
		{"CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:C/C:L/I:L/A:N", 6.4, Medium},   // CVE-2013-0375
		{"CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", 6.1, Medium},   // CVE-2013-1937
		{"CVSS:3.1/AV:N/AC:H/PR:N/UI:R/S:U/C:L/I:N/A:N", 3.1, Low},      // CVE-2014-3566
		{"CVSS:3.1/AV:L/AC:L/PR:N/UI:R/S:U/C:H/I:H/A:H", 7.8, High},     // CVE-2009-0658
		{"CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:C/C:H/I:H/A:H", 9.9, Critical}, // CVE-2012-1516
		{"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N", 7.5, High},     // CVE-2014-0160
		{"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", 10, Critical},  // CVE-2021-44228
		{"CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 9.8, Critical}, // CVE-2014-6271
		{"CVSS:3.1/AV:A/AC:L/PR:N/UI:N/S:C/C:H/I:N/A:H", 9.3, Critical}, // CVE-2013-6014
		{"CVSS:3.1/AV:P/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", 0, None},
		{"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N/E:P/RL:O", 7.5, High},
	} {
		s := Severity{Type: "CVSS_V3", Score: c.vector}
		if got, ok := s.BaseScore(); !ok || got != c.score || s.Level() != c.level {
			t.Errorf("%s: score %v %v, level %s, want %v %s", c.vector, got, ok, s.Level(), c.score, c.level)
		}
	}
}

func TestNoScore(t *testing.T) {
	good := "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"
	for _, s := range []Severity{
		{"CVSS_V3", ""}, {"CVSS_V3", "CVSS:3.1"}, {"CVSS_V3", "CVSS:3.1/"}, {"CVSS_V3", good[9:]},
		{"CVSS_V3", good[:len(good)-4]}, {"CVSS_V3", good + "/A:N"}, {"CVSS_V3", good[:len(good)-1] + "X"},
		{"CVSS_V3", good[:len(good)-1] + "HL"}, {"CVSS_V3", good[:len(good)-1]}, {"CVSS_V3", "9.8"},
		{"CVSS_V2", "AV:N/AC:L/Au:N/C:P/I:P/A:P"}, {"CVSS_V4", "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"},
		{"", "spicy"},
	} {
		if score, ok := s.BaseScore(); ok || s.Level() != Unknown {
			t.Errorf("%v: score %v, level %s, want none", s, score, s.Level())
		}
	}
}

func TestLevels(t *testing.T) {
	for l := Unknown; l <= Critical; l++ {
		if back, err := ParseLevel(l.String()); err != nil || back != l {
			t.Errorf("ParseLevel(%s) = %s, %v", l, back, err)
		}
	}
	for word, want := range map[string]Level{"MODERATE": Medium, "Negligible": Low, "IMPORTANT": High} {
		if got, err := ParseLevel(word); err != nil || got != want {
			t.Errorf("ParseLevel(%s) = %s, %v, want %s", word, got, err, want)
		}
	}
	if _, err := ParseLevel("spicy"); err == nil {
		t.Error("a word that is no severity is taken for one")
	}
	if got := (Severity{"Ubuntu", "medium"}).Level(); got != Medium {
		t.Errorf("Ubuntu medium is %s", got)
	}
}

// TestRating: scores go before words, those of the package before the advisory's.
func TestRating(t *testing.T) {
	low, high := Severity{"CVSS_V3", "CVSS:3.1/AV:N/AC:H/PR:N/UI:R/S:U/C:L/I:N/A:N"}, Severity{"CVSS_V3", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"}
	v4 := Severity{"CVSS_V4", "CVSS:4.0/AV:N"}
	for _, c := range []struct {
		a    Advisory
		of   Affected
		want Level
	}{
		{Advisory{}, Affected{}, Unknown},
		{Advisory{Level: High}, Affected{}, High},
		{Advisory{Level: High}, Affected{Level: Low}, Low},
		{Advisory{Level: Critical, Severity: []Severity{low, high}}, Affected{}, High},
		{Advisory{Severity: []Severity{high}}, Affected{Severity: []Severity{low}}, Low},
		{Advisory{Level: Medium, Severity: []Severity{v4}}, Affected{}, Medium},
	} {
		if got := c.a.Rating(&c.of); got != c.want {
			t.Errorf("rating of %+v for %+v is %s, want %s", c.a, c.of, got, c.want)
		}
	}
}

func TestNewSet(t *testing.T) {
	old, young := time.Unix(1, 0), time.Unix(2, 0)
	named := []Affected{{Package: Package{"Go", "a.b/c"}}}
	list := []Advisory{
		{ID: "B", Modified: old, Path: "1", Affected: named}, {ID: "A", Modified: old, Path: "2"},
		{ID: "B", Modified: young, Withdrawn: young, Path: "3", Affected: named},
		{ID: "C", Withdrawn: young, Path: "4", Affected: named}, {ID: "C", Path: "5", Affected: named}, {ID: "C", Path: "6", Affected: named},
	}
	s := NewSet(list, Load{Records: 6})
	var got string
	for _, a := range s.Advisories {
		got += a.ID + a.Path + " "
	}
	if got != "A2 B3 C5 " || s.Load.Duplicates != 3 || s.Load.Withdrawn != 1 || s.Load.NoPackage != 1 || s.Load.Records != 6 {
		t.Errorf("set %s, load %+v", got, s.Load)
	}
	if list[0].ID != "B" {
		t.Error("the list of the caller was sorted")
	}
	other := NewSet([]Advisory{list[1], list[2], list[4]}, Load{})
	if s.Digest() != other.Digest() {
		t.Error("the same records have two digests")
	}
	other.Advisories[0].Digest[0] = 1
	if s.Digest() == other.Digest() {
		t.Error("another record has the same digest")
	}
}

func FuzzBaseScore(f *testing.F) {
	f.Add("CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:C/C:L/I:L/A:N")
	f.Add("CVSS:3.0/AV:/AC:NA")
	f.Fuzz(func(t *testing.T, vector string) {
		score, ok := Severity{Type: "CVSS_V3", Score: vector}.BaseScore()
		if score < 0 || score > 10 || !ok && score != 0 {
			t.Fatalf("score of %q is %v, %v", vector, score, ok)
		}
	})
}
