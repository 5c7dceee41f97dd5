package program_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hallmark-oci/hallmark/verify/policy"
	"github.com/hallmark-oci/hallmark/verify/policy/program"
)

// TestMain is the tests, or one of the programs that they start: this binary under the
// name of the program, in a directory that is called after what it does.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) != program.Name {
		os.Exit(m.Run())
	}
	os.Exit(behave(filepath.Base(filepath.Dir(os.Args[0]))))
}

// yes is an answer to the question of that number.
func yes(id int) string {
	return fmt.Sprintf(`{"protocol":"hallmark-policy/1","id":%d,"outcome":"compliant"}`, id)
}

// behave is a program that answers as its name says.
func behave(how string) int {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 64<<20)
	for n := 1; in.Scan(); n++ {
		switch how {
		case "good":
			fmt.Println(yes(n))
		case "env":
			if len(os.Environ()) > 0 {
				return 1
			}
			fmt.Println(yes(n))
		case "once": // dies between questions
			fmt.Println(yes(n))
			return 0
		case "silent":
			return 0
		case "crash":
			fmt.Fprintln(os.Stderr, "panic: something is wrong"+strings.Repeat("x", 1<<20))
			return 2
		case "half":
			fmt.Print(yes(n)[:20])
			return 0
		case "garbage":
			fmt.Println("yes")
		case "other":
			fmt.Println(strings.Replace(yes(n), "policy/1", "policy/2", 1))
		case "stale":
			fmt.Println(yes(n - 1))
		case "twice":
			fmt.Printf("%s\n%s\n", yes(n), yes(n+1))
		case "two in a line":
			fmt.Println(yes(n) + yes(n))
		case "unknown":
			fmt.Println(strings.Replace(yes(n), "compliant", "Compliant", 1))
		case "torn":
			fmt.Println(strings.Replace(yes(n), `}`, `,"problem":"no"}`, 1))
		case "extra":
			fmt.Println(strings.Replace(yes(n), `}`, `,"verified":true}`, 1))
		case "failed":
			fmt.Println(strings.Replace(yes(n), "compliant", "failed", 1))
		case "flood":
			for {
				if _, err := os.Stdout.WriteString(strings.Repeat("x", 1<<16)); err != nil {
					return 1
				}
			}
		case "noise":
			for {
				if _, err := os.Stderr.WriteString(strings.Repeat("x", 1<<16)); err != nil {
					return 1
				}
			}
		case "slow":
			time.Sleep(time.Minute)
		case "orphan", "stays": // a grandchild holds the streams open; the program dies or answers
			c := exec.Command("/bin/sh", "-c", "sleep 4; : > "+filepath.Join(filepath.Dir(os.Args[0]), "mark"))
			c.Stdout, c.Stderr = os.Stdout, os.Stderr
			if err := c.Start(); err != nil {
				return 1
			}
			if how == "orphan" {
				return 0
			}
			fmt.Println(yes(n))
		}
	}
	return 0
}

// install puts this binary where a program of that behaviour is looked for and returns
// the path of hallmark beside it.
func install(t *testing.T, how string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), how)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, program.Name), text, 0o700); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "hallmark")
}

// at returns the program beside that hallmark.
func at(t *testing.T, hallmark string, limit time.Duration) *program.Program {
	t.Helper()
	p := program.New(program.Options{Executable: hallmark, Time: limit})
	t.Cleanup(p.Close)
	return p
}

// ask1 puts a question that is met.
func ask1(ctx context.Context, p *program.Program) (policy.Answer, error) {
	return p.At(time.Now).Evaluate(ctx, policy.Part{Language: policy.CUE, Text: "a: 1"}, []byte(`{"a":1}`))
}

// TestHostile: whatever the program does, it is an error that names it and what
// happened, soon, and never a yes.
func TestHostile(t *testing.T) {
	t.Parallel()
	for how, want := range map[string]struct {
		err  error
		text string
	}{
		"silent":        {program.ErrFailed, "it ended without an answer"},
		"crash":         {program.ErrFailed, "exit status 2; it wrote: panic: something is wrong"},
		"half":          {program.ErrFailed, "in the middle of an answer"},
		"garbage":       {program.ErrAnswer, "invalid character"},
		"other":         {program.ErrAnswer, `protocol "hallmark-policy/2"`},
		"stale":         {program.ErrAnswer, "it answers question 0, and 1 was asked"},
		"twice":         {program.ErrAnswer, "more was written than was asked"},
		"two in a line": {program.ErrAnswer, "more than one document"},
		"unknown":       {program.ErrAnswer, `outcome "Compliant"`},
		"torn":          {program.ErrAnswer, "a yes with a problem"},
		"extra":         {program.ErrAnswer, "verified"},
		"failed":        {program.ErrFailed, ""},
		"flood":         {program.ErrAnswer, "more than 65536 bytes"},
		"noise":         {program.ErrFailed, "not finished within 2s"},
		"slow":          {program.ErrFailed, "not finished within 2s"},
		"orphan":        {program.ErrFailed, ""},
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			hallmark := install(t, how)
			p := at(t, hallmark, 2*time.Second)
			begin := time.Now()
			for range 2 { // the second question meets another process
				a, err := ask1(t.Context(), p)
				if a.Compliant || !errors.Is(err, want.err) || !strings.Contains(err.Error(), want.text) || !strings.Contains(err.Error(), filepath.Dir(hallmark)) {
					t.Errorf("%+v, %v", a, err)
				}
				if err != nil && len(err.Error()) > 4<<10 {
					t.Errorf("an error of %d bytes", len(err.Error()))
				}
			}
			if d := time.Since(begin); d > 30*time.Second {
				t.Errorf("it took %s", d)
			}
		})
	}
}

// TestGood: a program that answers is believed, asked by many at once, and started
// again when it ended between questions. It sees no environment.
func TestGood(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"good", "env"} {
		p := at(t, install(t, how), time.Minute)
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if a, err := ask1(t.Context(), p); err != nil || !a.Compliant {
					t.Errorf("%s: %+v, %v", how, a, err)
				}
			})
		}
		wg.Wait()
		p.Close()
		if a, err := ask1(t.Context(), p); err != nil || !a.Compliant {
			t.Errorf("%s, closed: %+v, %v", how, a, err)
		}
	}
	p, good := at(t, install(t, "once"), time.Minute), 0
	for range 2 * program.MaxProcesses {
		if a, err := ask1(t.Context(), p); err == nil && a.Compliant {
			good++
		} else if !errors.Is(err, program.ErrFailed) {
			t.Errorf("once: %+v, %v", a, err)
		}
	}
	if good != program.MaxProcesses {
		t.Errorf("a program that ends after each answer gave %d", good)
	}
}

// TestEnded: who stops waiting has the context's error, and nothing that the program
// started lives on.
func TestEnded(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	time.AfterFunc(200*time.Millisecond, func() { cancel(enough) })
	p := at(t, install(t, "slow"), time.Minute)
	if _, err := ask1(ctx, p); !errors.Is(err, enough) {
		t.Errorf("cancelled: %v", err)
	}
	// All places are taken by slow ones, and somebody waits.
	short, cancelShort := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancelShort()
	var wg sync.WaitGroup
	for range program.MaxProcesses + 1 {
		wg.Go(func() {
			if _, err := ask1(short, p); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("late: %v", err)
			}
		})
	}
	wg.Wait()
	if runtime.GOOS == "windows" {
		return
	}
	begin, marks := time.Now(), []string{}
	for _, how := range []string{"orphan", "stays"} {
		hallmark := install(t, how)
		p := at(t, hallmark, 2*time.Second)
		if _, err := ask1(t.Context(), p); (err == nil) != (how == "stays") {
			t.Errorf("%s: %v", how, err)
		}
		p.Close()
		marks = append(marks, filepath.Join(filepath.Dir(hallmark), "mark"))
	}
	time.Sleep(time.Until(begin.Add(8 * time.Second)))
	for _, m := range marks {
		if _, err := os.Stat(m); err == nil {
			t.Errorf("%s: a child lived on", m)
		}
	}
}

// TestWhich: only the program that is meant is started, and the refusal says what to do.
func TestWhich(t *testing.T) {
	good := install(t, "good")
	real := filepath.Join(filepath.Dir(good), program.Name)
	text, err := os.ReadFile(real)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(text)
	right := hex.EncodeToString(sum[:])
	linked, written, elsewhere := t.TempDir(), install(t, "good"), filepath.Join(t.TempDir(), "h")
	for _, err := range []error{
		os.Symlink(real, filepath.Join(linked, program.Name)),
		os.Chmod(filepath.Join(filepath.Dir(written), program.Name), 0o722),
		os.WriteFile(good, nil, 0o700),
		os.Symlink(good, elsewhere),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", filepath.Dir(good))
	t.Chdir(filepath.Dir(good))
	for name, c := range map[string]struct {
		executable, digest string
		err                error
		text               string
	}{
		"any":          {good, "", nil, ""},
		"right":        {good, right, nil, ""},
		"link to us":   {elsewhere, right, nil, ""},
		"wrong":        {good, strings.Repeat("0", 64), program.ErrRefused, right},
		"missing":      {filepath.Join(t.TempDir(), "hallmark"), "", program.ErrMissing, "make build"},
		"nowhere":      {"", "", program.ErrMissing, "cannot be told"},
		"link":         {filepath.Join(linked, "hallmark"), right, program.ErrRefused, "symbolic link"},
		"others write": {written, right, program.ErrRefused, "chmod go-w"},
		"directory":    {filepath.Join(dirProgram(t), "hallmark"), "", program.ErrRefused, "no regular file"},
	} {
		p := program.New(program.Options{Executable: c.executable, Digest: c.digest})
		a, err := ask1(t.Context(), p)
		p.Close()
		if !errors.Is(err, c.err) || a.Compliant != (c.err == nil) || err != nil && !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
	}
}

// dirProgram returns a directory in which a directory has the name of the program.
func dirProgram(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, program.Name), 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestQuestions: what cannot be asked is no answer, and no process is started for it.
func TestQuestions(t *testing.T) {
	t.Parallel()
	p := at(t, "", time.Minute)
	long := strings.Repeat("\n", policy.MaxPart+1)
	big := json.RawMessage(`"` + strings.Repeat("x", policy.MaxInput) + `"`)
	for name, c := range map[string]struct {
		part  policy.Part
		input []byte
		err   error
	}{
		"language": {policy.Part{Language: "cel", Text: "true"}, []byte("{}"), policy.ErrUnsupported},
		"none":     {policy.Part{}, []byte("{}"), policy.ErrUnsupported},
		"long":     {policy.Part{Language: policy.CUE, Text: long}, []byte("{}"), policy.ErrUnsupported},
		"big":      {policy.Part{Language: policy.CUE}, big, policy.ErrUnsupported},
		"no JSON":  {policy.Part{Language: policy.CUE}, []byte(`a: 1`), nil},
		"two":      {policy.Part{Language: policy.CUE}, []byte(`{} {}`), nil},
		"empty":    {policy.Part{Language: policy.CUE}, nil, nil},
		"cannot":   {policy.Part{Language: policy.CUE}, []byte(`{}`), program.ErrMissing},
	} {
		a, err := p.At(time.Now).Evaluate(t.Context(), c.part, c.input)
		if err == nil || a != (policy.Answer{}) || c.err != nil && !errors.Is(err, c.err) || c.err == nil && errors.Is(err, program.ErrMissing) {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
	}
}
