package payload

import (
	"io"
	"slices"
	"strings"
	"time"

	"github.com/hallmark-oci/hallmark/sign/jsonscan"
)

// ValidatePredicate reads a predicate to its end and checks that it is what its
// type says, so that no statement is signed that none of its readers can use:
//
//   - SPDX: spdxVersion and SPDXID of version 2, or @context and @graph of
//     version 3; or one string, a document in tag-value form
//   - CycloneDX: bomFormat and specVersion
//   - SLSA provenance v1: buildDefinition with buildType and
//     externalParameters, runDetails with builder.id
//   - SLSA provenance v0.2: builder.id and buildType
//   - vuln: scanner with uri and result, metadata with the times of the scan
//   - OpenVEX: @context and statements
//   - link: the members of an in-toto link
//   - custom: Data and Timestamp
//   - any other type: a JSON object
//
// It looks at the members named here and no deeper; the codecs of the formats
// do that. Any other member is allowed.
func ValidatePredicate(uri string, r io.Reader) error {
	s := jsonscan.New(r)
	err := validate(uri, s)
	if err == nil {
		err = s.End()
	}
	return malformed("predicate of type "+NameOf(uri), err)
}

// A rule reads one value and says whether it is fit.
type rule func(s *jsonscan.Scanner) error

func validate(uri string, s *jsonscan.Scanner) error {
	switch {
	case uri == SPDX:
		return validateSPDX(s)
	case uri == CycloneDX:
		return object(map[string]rule{"bomFormat": begins("CycloneDX"), "specVersion": begins("")}, "bomFormat", "specVersion")(s)
	case uri == SLSAProvenance1:
		return provenance1()(s)
	case uri == SLSAProvenance2:
		return object(map[string]rule{"builder": id(), "buildType": begins("")}, "builder", "buildType")(s)
	case uri == Vuln:
		return vuln()(s)
	case uri == OpenVEX || strings.HasPrefix(uri, OpenVEX+"/"):
		return object(map[string]rule{"@context": begins(OpenVEX), "statements": array}, "@context", "statements")(s)
	case uri == Link:
		return link()(s)
	case uri == Custom:
		return object(map[string]rule{"Timestamp": moment}, "Data", "Timestamp")(s)
	default:
		return anyObject(s)
	}
}

func provenance1() rule {
	return object(map[string]rule{
		"buildDefinition": object(map[string]rule{"buildType": begins(""), "externalParameters": anyObject}, "buildType", "externalParameters"),
		"runDetails":      object(map[string]rule{"builder": id()}, "builder"),
	}, "buildDefinition", "runDetails")
}

func vuln() rule {
	return object(map[string]rule{
		"invocation": anyObject,
		"scanner":    object(map[string]rule{"uri": begins("")}, "uri", "result"),
		"metadata":   object(map[string]rule{"scanStartedOn": moment, "scanFinishedOn": moment}, "scanStartedOn", "scanFinishedOn"),
	}, "scanner", "metadata")
}

func link() rule {
	return object(map[string]rule{
		"_type": begins("link"), "name": begins(""), "command": array,
		"materials": anyObject, "products": anyObject, "byproducts": anyObject, "environment": anyObject,
	}, "_type", "name", "materials", "products", "byproducts", "command", "environment")
}

// validateSPDX accepts an object of SPDX 2 or 3, or a string in tag-value form.
func validateSPDX(s *jsonscan.Scanner) error {
	if s.Peek() == '"' {
		data, err := s.String(MaxWrapped)
		if err != nil {
			return err
		}
		return checkTagValue(data)
	}
	var seen []string
	note := func(name string, r rule) rule {
		return func(s *jsonscan.Scanner) error {
			seen = append(seen, name)
			return r(s)
		}
	}
	err := object(map[string]rule{
		"spdxVersion": note("spdxVersion", begins("SPDX-")), "SPDXID": note("SPDXID", begins("SPDXRef-")),
		"@context": note("@context", begins("https://spdx.org/rdf/3.")), "@graph": note("@graph", array),
	})(s)
	if err != nil {
		return err
	}
	slices.Sort(seen)
	if !slices.Equal(seen, []string{"SPDXID", "spdxVersion"}) && !slices.Equal(seen, []string{"@context", "@graph"}) {
		return refuse("no SPDX document: spdxVersion and SPDXID, or @context and @graph, are missing")
	}
	return nil
}

// object accepts an object whose members pass their rules and that has all the
// required members.
func object(rules map[string]rule, required ...string) rule {
	known := slices.Clone(required)
	for name := range rules {
		known = append(known, name)
	}
	return func(s *jsonscan.Scanner) error {
		missing := slices.Clone(required)
		err := s.Object(func(name string) error {
			missing = slices.DeleteFunc(missing, func(m string) bool { return m == name })
			r, ok := rules[name]
			if !ok {
				return other(s, name, known...)
			}
			if err := r(s); err != nil {
				return malformed(name, err)
			}
			return nil
		})
		if err == nil && len(missing) > 0 {
			return refuse("without %s", strings.Join(missing, ", "))
		}
		return err
	}
}

// id accepts an object with the member id.
func id() rule { return object(map[string]rule{"id": begins("")}, "id") }

// begins accepts a string that begins with prefix and is not empty.
func begins(prefix string) rule {
	return func(s *jsonscan.Scanner) error {
		v, err := s.String(MaxText)
		if err == nil && (v == "" || !strings.HasPrefix(v, prefix)) {
			return refuse("%.100q does not begin with %q", v, prefix)
		}
		return err
	}
}

// moment accepts a time as RFC 3339 has it.
func moment(s *jsonscan.Scanner) error {
	v, err := s.String(MaxText)
	if err != nil {
		return err
	}
	if _, err := time.Parse(time.RFC3339Nano, v); err != nil {
		return refuse("%.100q is no time as in RFC 3339", v)
	}
	return nil
}

func array(s *jsonscan.Scanner) error { return kind(s, '[', "an array") }

func anyObject(s *jsonscan.Scanner) error { return kind(s, '{', "an object") }

func kind(s *jsonscan.Scanner, first byte, what string) error {
	if c := s.Peek(); c != first && c != 0 {
		return refuse("%s is expected at byte %d", what, s.Offset())
	}
	return s.Skip()
}
