package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"github.com/hallmark-oci/hallmark/testdata/lab"
)

// A visitor is a person who reads what a program prints and logs in at the address that is in it, as
// with a browser. It is an io.Writer.
type visitor struct {
	comes bool

	mu   sync.Mutex
	wait sync.WaitGroup
	line strings.Builder
	n    int
}

// Write implements io.Writer.
func (p *visitor) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range b {
		if c != '\n' {
			p.line.WriteByte(c)
			continue
		}
		p.read(p.line.String())
		p.line.Reset()
	}
	return len(b), nil
}

// read looks for the last address on a line that leads to a login.
func (p *visitor) read(line string) {
	all := regexp.MustCompile(`http://127\.0\.0\.1:[0-9]+/\S*(/?auth\?|user_code=)\S+`).FindAllString(line, -1)
	if !p.comes || len(all) == 0 {
		return
	}
	p.n++
	p.wait.Go(func() {
		res, err := http.Get(all[len(all)-1]) // goes where it is sent, ten times at most
		if err == nil {
			res.Body.Close()
		}
	})
}

// done returns how often somebody logged in.
func (p *visitor) done() int {
	p.wait.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.n
}

// leaks says whether hallmark printed an identity token, or the signature of one of
// those that lie in files, which are the secret in them.
func (b *bench) leaks(s step, r lab.Result) error {
	if s.by != ours {
		return nil
	}
	if b.secrets == nil {
		files, err := filepath.Glob(filepath.Join(b.vars["DIR"], "tokens", "*"))
		if err != nil {
			return err
		}
		for _, f := range files {
			if raw, err := os.ReadFile(f); err == nil {
				b.secrets = append(b.secrets, string(raw[strings.LastIndex(string(raw), ".")+1:]))
			}
		}
		if len(b.secrets) == 0 {
			return fmt.Errorf("no tokens in %s", b.vars["DIR"])
		}
	}
	printed := r.Out + r.Err
	if token := regexp.MustCompile(`eyJ[\w-]{8,}\.eyJ[\w-]{8,}`).FindString(printed); token != "" {
		return fmt.Errorf("it printed a token")
	}
	for _, secret := range append(b.secrets, "sandbox-job") {
		if strings.Contains(printed, secret) {
			return fmt.Errorf("it printed the secret of a token")
		}
	}
	return nil
}
