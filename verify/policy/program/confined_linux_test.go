package program_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-oci/hallmark/verify/policy/program"
)

// TestConfined: the process has no file to open and no environment.
func TestConfined(t *testing.T) {
	t.Parallel()
	program := filepath.Join(filepath.Dir(real(t)), program.Name)
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command(program)
	cmd.Stdin = in
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var limits []byte
	for range 100 {
		limits, err = os.ReadFile(fmt.Sprintf("/proc/%d/limits", cmd.Process.Pid))
		if err != nil || strings.Contains(string(limits), "Max open files            0                    0") {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	for _, line := range []string{"Max open files            0                    0", "Max core file size        0                    0"} {
		if !strings.Contains(string(limits), line) {
			t.Errorf("%v\n%s", err, limits)
		}
	}
	_ = out.Close()
	if err := cmd.Wait(); err != nil {
		t.Errorf("the end of its input: %v", err)
	}
}
