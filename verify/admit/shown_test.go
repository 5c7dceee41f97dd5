package admit_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/hallmark-oci/hallmark/verify/admit"
	"github.com/hallmark-oci/hallmark/verify/policy"
)

// quiet is an evaluator that refuses objects on the network of their node.
type quiet struct{}

func (quiet) Evaluate(_ context.Context, _ policy.Part, input []byte) (policy.Answer, error) {
	return policy.Answer{Compliant: strings.Contains(string(input), `"spec"`) && !strings.Contains(string(input), `"hostNetwork":true`), Problem: "on the network of the node"}, nil
}

// TestShown: a policy that judges the object as well as the image judges it anew when it
// changes, though its images stay; a verdict on one object is none on another.
func TestShown(t *testing.T) {
	w := newWorld(t, admit.Options{}, defaultScopes)
	_, pinned := w.push(t, "apps/a", nil)
	text := `apiVersion: policy.sigstore.dev/v1beta1
kind: ClusterImagePolicy
metadata: {name: network}
spec:
  images: [{glob: "**"}]
  authorities: [{static: {action: pass}}]
  policy: {type: cue, data: x, includeSpec: true}
`
	set, err := policy.Parse(policy.Options{Evaluator: quiet{}}, policy.File{Name: "p.yaml", Text: []byte(text)})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.gate.Reload(func() (*policy.Set, error) { return set, nil }); err != nil {
		t.Fatal(err)
	}
	pod := func(network bool) string {
		return fmt.Sprintf(`{"metadata":{"name":"n"},"spec":{"hostNetwork":%v,"containers":[{"name":"c","image":%q}]}}`, network, pinned)
	}
	update := func(from, to string) string {
		return strings.Replace(reviewOf("", "v1", "Pod", "UPDATE", to), `"oldObject":null`, `"oldObject":`+from, 1)
	}
	for _, c := range []struct {
		what, body string
		allowed    bool
	}{
		{"a quiet one", reviewOf("", "v1", "Pod", "CREATE", pod(false)), true},
		{"a loud one", reviewOf("", "v1", "Pod", "CREATE", pod(true)), false},
		{"a quiet one again", reviewOf("", "v1", "Pod", "CREATE", pod(false)), true},
		{"from quiet to loud", update(pod(false), pod(true)), false},
		{"from loud to quiet", update(pod(true), pod(false)), true},
		{"a loud one that stays", update(pod(true), pod(true)), true},
	} {
		if a := w.post(t, "/validate", c.body); a.Response.Allowed != c.allowed {
			t.Errorf("%s: allowed %v: %s", c.what, a.Response.Allowed, a.Response.Status.Message)
		}
	}
}
