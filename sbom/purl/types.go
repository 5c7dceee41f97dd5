package purl

import (
	"fmt"
	"strings"
)

// rules are the rules of one type, after its definition in the specification.
type rules struct {
	lowerNamespace, lowerName, lowerVersion bool
	// pathName says that the namespace is one segment, a host, and that the
	// name is a path.
	pathName bool
	// fold rewrites the name further, after lower-casing.
	fold func(p PURL) string
	// requireNamespace and forbidNamespace are set where the wrong namespace
	// would name another package.
	requireNamespace, forbidNamespace bool
	// require names a qualifier without which the package is ambiguous.
	require string
	// also checks what the fields above cannot express.
	also func(p PURL) error
}

// typeRules returns the rules of a type; those of an unknown type are empty.
func typeRules(t string) rules {
	switch t {
	case "alpm", "apk", "bitbucket", "brew", "composer", "deb", "github", "hex", "luarocks":
		return rules{lowerNamespace: true, lowerName: true}
	case "git":
		return rules{lowerNamespace: true, lowerName: true, pathName: true}
	case "bitnami":
		return rules{lowerName: true}
	case "chrome-extension":
		return rules{lowerName: true, forbidNamespace: true, also: checkChrome}
	case "cpan":
		return rules{also: checkCPAN}
	case "huggingface":
		return rules{lowerVersion: true}
	case "julia":
		return rules{require: "uuid"}
	case "mlflow":
		return rules{fold: foldMLflow}
	case "oci":
		return rules{lowerName: true, lowerVersion: true}
	case "otp":
		return rules{lowerName: true, forbidNamespace: true}
	case "pub":
		return rules{lowerName: true, fold: foldPub}
	case "pypi":
		return rules{lowerName: true, lowerVersion: true, fold: foldPyPI}
	case "qpkg", "rpm", "yocto":
		return rules{lowerNamespace: true}
	case "swid":
		return rules{require: "tag_id"}
	case "swift":
		return rules{requireNamespace: true}
	case "vcpkg":
		return rules{forbidNamespace: true}
	case "vscode-extension":
		return rules{lowerNamespace: true, lowerName: true, lowerVersion: true, requireNamespace: true}
	}
	return rules{}
}

// apply returns p in the normal form of its type.
func (r rules) apply(p PURL) PURL {
	if r.pathName {
		host, path, _ := strings.Cut(segments(p.Namespace+"/"+p.Name, false), "/")
		p.Namespace, p.Name = host, path
	}
	if r.lowerNamespace {
		p.Namespace = strings.ToLower(p.Namespace)
	}
	if r.lowerName {
		p.Name = strings.ToLower(p.Name)
	}
	if r.lowerVersion {
		p.Version = strings.ToLower(p.Version)
	}
	if r.fold != nil {
		p.Name = r.fold(p)
	}
	return p
}

// check reports what of p, in normal form, breaks the rules of its type.
func (r rules) check(p PURL) error {
	switch {
	case r.pathName && p.Name == "":
		return fmt.Errorf("package URL of type %s has no path behind the host", p.Type)
	case r.requireNamespace && p.Namespace == "":
		return fmt.Errorf("package URL of type %s has no namespace", p.Type)
	case r.forbidNamespace && p.Namespace != "":
		return fmt.Errorf("package URL of type %s has the namespace %q, but the type has none", p.Type, p.Namespace)
	case r.require != "" && p.Qualifiers[r.require] == "":
		return fmt.Errorf("package URL of type %s has no qualifier %s", p.Type, r.require)
	case r.also != nil:
		return r.also(p)
	}
	return nil
}

func foldPyPI(p PURL) string { return strings.ReplaceAll(p.Name, "_", "-") }

func foldPub(p PURL) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, p.Name)
}

// foldMLflow lower-cases names of Databricks, which does not tell cases apart.
func foldMLflow(p PURL) string {
	if strings.Contains(strings.ToLower(p.Qualifiers["repository_url"]), "databricks") {
		return strings.ToLower(p.Name)
	}
	return p.Name
}

// checkCPAN refuses module names: a package URL names the distribution.
func checkCPAN(p PURL) error {
	if strings.Contains(p.Name, "::") {
		return fmt.Errorf("cpan name %q is that of a module, not of a distribution", p.Name)
	}
	return nil
}

// checkChrome checks the 32 letters of an identifier and the up to four
// numbers of a version.
func checkChrome(p PURL) error {
	if len(p.Name) != 32 || strings.Trim(p.Name, "abcdefghijklmnop") != "" {
		return fmt.Errorf("chrome-extension name %q is not 32 letters from a to p", p.Name)
	}
	if p.Version == "" {
		return nil
	}
	numbers := strings.Split(p.Version, ".")
	for _, n := range numbers {
		if n == "" || strings.Trim(n, "0123456789") != "" {
			return fmt.Errorf("chrome-extension version %q is not made of numbers", p.Version)
		}
	}
	if len(numbers) > 4 {
		return fmt.Errorf("chrome-extension version %q has more than four numbers", p.Version)
	}
	return nil
}
