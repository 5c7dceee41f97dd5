package cli

import (
	"slices"
	"testing"
)

// TestVariables: a variable is found however a flag or an argument names it.
func TestVariables(t *testing.T) {
	got := variables([]string{
		"sign", "--key", "env://A", "--key=env://B", "-kenv://C", "-k=env://D", "-qkenv://E", "env://F",
		"--identity-token", "env:G", "--identity-token=env:H", "app:1", "--annotations", "x=y", "oci:myenv:I", "env",
	})
	if want := []string{"A", "B", "C", "D", "E", "F", "G", "H"}; !slices.Equal(got, want) {
		t.Errorf("%q, not %q", got, want)
	}
}
