package policy

import (
	"regexp"
	"strings"

	"github.com/hallmark-oci/hallmark/verify/policy/doc"
)

// dockerHub is the registry of names that name none.
const dockerHub = "index.docker.io"

// A glob is a pattern for names of images. A "*" stands for any characters but
// the slash, "**" for any characters; the whole name must match. Case counts.
type glob struct {
	text   string
	prefix string // what every match begins with
	re     *regexp.Regexp
}

// newGlob compiles a pattern of letters, digits and -_:/*.@ as the
// policy-controller does: "*" alone means the official images of Docker Hub,
// "*/*" all other images there. ok is false for other characters.
func newGlob(text string) (g glob, ok bool) {
	if !regexp.MustCompile(`^[a-zA-Z0-9_:/*.@-]+$`).MatchString(text) {
		return glob{}, false
	}
	full := text
	switch text {
	case "*":
		full = dockerHub + "/library/*"
	case "*/*":
		full = dockerHub + "/*/*"
	}
	prefix, _, _ := strings.Cut(full, "*")
	// Of three stars the first two belong together.
	parts := strings.Split(full, "**")
	for i, p := range parts {
		singles := strings.Split(p, "*")
		for j, s := range singles {
			singles[j] = regexp.QuoteMeta(s)
		}
		parts[i] = strings.Join(singles, "[^/]*")
	}
	re, err := regexp.Compile("^" + strings.Join(parts, ".*") + "$")
	return glob{text: text, prefix: prefix, re: re}, err == nil
}

func (g glob) match(name string) bool {
	return strings.HasPrefix(name, g.prefix) && g.re.MatchString(name)
}

// references reads the glob of a ClusterImagePolicy, which matches references.
func references(v doc.Value) (glob, error) {
	s, err := v.String()
	if err != nil {
		return glob{}, err
	}
	g, ok := newGlob(s)
	if !ok {
		return glob{}, v.Errorf("%.100q is no glob; letters, digits and -_:/*.@ may stand in it", s)
	}
	return g, nil
}

// repositories reads the glob of a scope, which matches whole names of
// repositories: registry.example/team/app.
func repositories(v doc.Value) (glob, error) {
	g, err := references(v)
	if err != nil {
		return glob{}, err
	}
	if g.text == "**" || strings.HasPrefix(g.text, "oci:") {
		return g, nil
	}
	registry, path, _ := strings.Cut(g.text, "/")
	switch {
	case g.text == "*" || g.text == "*/*":
		return glob{}, v.Errorf("%q: write ** for all images, or name the registry", g.text)
	case strings.ContainsAny(path, ":@"):
		return glob{}, v.Errorf("%q: scopes are for repositories, without tag and digest", g.text)
	case registry != "localhost" && !strings.ContainsAny(registry, ".:*"),
		path == "" && !strings.Contains(registry, "**"):
		return glob{}, v.Errorf("%q names no registry and repository, as in registry.example/team/*", g.text)
	}
	if registry == "docker.io" || registry == dockerHub {
		if !strings.Contains(path, "/") && !strings.Contains(path, "**") {
			path = "library/" + path
		}
		g, _ = newGlob(dockerHub + "/" + path)
	}
	return g, nil
}
