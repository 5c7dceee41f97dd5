package program

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/hallmark-oci/hallmark/sign/apart"
	"github.com/hallmark-oci/hallmark/verify/policy"
)

// A process is the program as it runs. One question at a time.
type process struct {
	path  string
	cmd   *exec.Cmd
	in    io.WriteCloser
	out   io.ReadCloser
	lines *bufio.Reader
	noise *head
	asked int64 // questions

	once  sync.Once // of end
	ended error     // what the system says of the end
}

// start starts the program in a group of its own and without an environment.
func start(path string) (*process, error) {
	p := &process{path: path, cmd: exec.Command(path), noise: &head{}}
	p.cmd.Env, p.cmd.Dir = []string{}, filepath.Dir(path)
	p.cmd.Stderr, p.cmd.WaitDelay = p.noise, graceTime
	apart.Set(p.cmd)
	var err error
	if p.in, err = p.cmd.StdinPipe(); err == nil {
		p.out, err = p.cmd.StdoutPipe()
	}
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("start %s: %w: %w", path, ErrFailed, err)
	}
	p.lines = bufio.NewReader(p.out)
	return p, nil
}

// ask puts the question and returns the answer. After an error the process is of no
// use any more. When the context ends the process is ended at once, with all that it
// started.
func (p *process) ask(ctx context.Context, r *request) (policy.Answer, error) {
	p.asked++
	r.ID = p.asked
	line, err := r.line()
	if err != nil {
		return policy.Answer{}, p.fail(err)
	}
	stop := context.AfterFunc(ctx, p.end)
	defer stop()
	text, err := p.exchange(line)
	if ctx.Err() != nil {
		return policy.Answer{}, p.fail(context.Cause(ctx))
	}
	if err != nil {
		return policy.Answer{}, p.fail(err)
	}
	answer, err := read(text, r.ID)
	switch {
	case errors.Is(err, policy.ErrUnsupported):
		return answer, err
	case err != nil:
		return answer, p.fail(err)
	case p.lines.Buffered() > 0:
		return policy.Answer{}, p.fail(fmt.Errorf("%w: more was written than was asked", ErrAnswer))
	}
	return answer, nil
}

// exchange writes the question and reads a line.
func (p *process) exchange(line []byte) ([]byte, error) {
	_, werr := p.in.Write(line)
	var text []byte
	for {
		part, err := p.lines.ReadSlice('\n')
		if len(text)+len(part) > MaxAnswer {
			return nil, fmt.Errorf("%w: it has more than %d bytes", ErrAnswer, MaxAnswer)
		}
		text = append(text, part...)
		switch {
		case err == nil && werr != nil:
			return nil, fmt.Errorf("%w: it was written before the question was read", ErrAnswer)
		case err == nil:
			return text, nil
		case errors.Is(err, bufio.ErrBufferFull):
		default:
			return nil, p.death(len(bytes.TrimSpace(text)) > 0)
		}
	}
}

// death says how the process ended, which has closed its output and is given a moment
// to end by itself: the cause is lost where it is killed.
func (p *process) death(half bool) error {
	p.finish(graceTime)
	how := "it ended without an answer"
	if half {
		how = "it ended in the middle of an answer"
	}
	if p.ended != nil {
		how += ": " + p.ended.Error()
	}
	return fmt.Errorf("%w: %s", ErrFailed, how)
}

// end ends the process and all that it started, and closes its streams.
func (p *process) end() { p.finish(0) }

// finish waits for the process to end by itself for so long, and ends it then. All that
// it started is ended in any case.
func (p *process) finish(grace time.Duration) {
	p.once.Do(func() {
		_ = p.in.Close()
		late := time.AfterFunc(grace, func() { _ = apart.End(p.cmd) })
		p.ended = p.cmd.Wait()
		late.Stop()
		_ = apart.End(p.cmd)
	})
}

// fail names the program and what it wrote.
func (p *process) fail(err error) error {
	if said := p.noise.String(); said != "" {
		return fmt.Errorf("%s: %w; it wrote: %s", p.path, err, said)
	}
	return fmt.Errorf("%s: %w", p.path, err)
}

// head keeps the beginning of what is written, and lets the rest go.
type head struct {
	mu   sync.Mutex
	text []byte
	lost bool
}

// Write implements io.Writer.
func (h *head) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := min(len(p), maxNoise-len(h.text))
	h.text = append(h.text, p[:n]...)
	h.lost = h.lost || n < len(p)
	return len(p), nil
}

// String returns what was kept.
func (h *head) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	text := strings.TrimSpace(strings.ToValidUTF8(string(h.text), "\uFFFD"))
	if h.lost {
		text += "..."
	}
	return text
}
