package plugin

import (
	"bytes"
	"errors"
	"strings"
	"sync"
)

// bounded keeps what is written, up to a limit; what is over it is called for once
// and refused.
type bounded struct {
	text  bytes.Buffer
	limit int
	over  func()
}

// Write implements io.Writer.
func (b *bounded) Write(p []byte) (int, error) {
	if b.text.Len()+len(p) > b.limit {
		b.over()
		return 0, errors.New("over the limit")
	}
	return b.text.Write(p)
}

// tail keeps the end of what is written. The zero value is empty, and so is nil.
type tail struct {
	mu   sync.Mutex
	text []byte
	lost bool
}

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p[max(0, len(p)-maxNoise):]...)
	if over := len(t.text) - maxNoise; over > 0 {
		t.text, t.lost = append(t.text[:0], t.text[over:]...), true
	}
	return len(p), nil
}

// String returns what was kept.
func (t *tail) String() string {
	if t == nil {
		return ""
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lost {
		return "..." + string(t.text)
	}
	return string(t.text)
}

// secretWords are in the names of variables that hold secrets.
const secretWords = "TOKEN SECRET PASSWORD PASSWD PASSPHRASE CREDENTIAL PIN APIKEY API_KEY ACCESS_KEY PRIVATE"

// hide takes the values of variables that hold secrets out of the text.
func hide(text string, env []string) string {
	for _, v := range env {
		name, value, _ := strings.Cut(v, "=")
		if len(value) >= 4 && secret(name) {
			text = strings.ReplaceAll(text, value, "[value of "+name+"]")
		}
	}
	return text
}

func secret(name string) bool {
	name = strings.ToUpper(name)
	for word := range strings.FieldsSeq(secretWords) {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}
