package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hallmark-oci/hallmark/attach/storetest"
)

// faultyKey finds the registry at $FAULTY among the values of a script.
type faultyKey struct{}

func faultyOf(ts *testscript.TestScript) *storetest.Server {
	return ts.Value(faultyKey{}).(*storetest.Server)
}

// setFaults has the registry at $FAULTY misbehave in all ways that are named,
// and in no other; its log begins anew:
//
//	faulty [NAME[=VALUE][@PATTERN]]...
//
// With a pattern it misbehaves only in requests whose "METHOD /path?query"
// matches.
func setFaults(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("usage: faulty [NAME[=VALUE][@PATTERN]]...")
	}
	var quirks []storetest.Quirk
	for _, arg := range args {
		fault, pattern, limited := strings.Cut(arg, "@")
		title, value, _ := strings.Cut(fault, "=")
		q, err := quirkOf(title, value)
		if title == "forged" {
			q, err = storetest.Forged(10_000, ts.Getenv("DIGEST"), "", value == "before"), nil
		}
		ts.Check(err)
		if limited {
			q = storetest.Only(pattern, q)
		}
		quirks = append(quirks, q)
	}
	s := faultyOf(ts)
	s.Set(quirks...)
	s.Forget()
}

// quirkOf returns the quirk that a script names.
func quirkOf(title, value string) (storetest.Quirk, error) {
	number := func() int { n, _ := strconv.Atoi(value); return n }
	switch title {
	case "drip":
		return storetest.Drip(1, time.Duration(number())*time.Millisecond), nil
	case "flood":
		return storetest.Flood(), nil
	case "lie":
		return storetest.DigestLie(), nil
	case "immutable":
		return storetest.Immutable(number()), nil
	case "nodelete":
		return storetest.NoDelete(), nil
	case "status":
		return storetest.Status(number(), "UNKNOWN"), nil
	case "referrers":
		return storetest.NativeReferrers(), nil
	case "toomany":
		return storetest.TooMany(1, value), nil
	case "flap":
		return storetest.Flap(number(), 503), nil
	case "truncated":
		return storetest.Truncated(), nil
	case "wrongbytes":
		return storetest.WrongBytes(), nil
	case "imagesonly":
		return storetest.ImagesOnly(), nil
	case "endless":
		return storetest.EndlessPages(value == "loop"), nil
	case "redirect":
		return storetest.RedirectBlobs(value == "demand"), nil
	case "token":
		return (&storetest.Tokens{User: "bob", Password: "registry-password-77c1", Realm: value}).Quirk(), nil
	case "credentials":
		user, password, _ := strings.Cut(value, ":")
		return storetest.Credentials(user, password), nil
	}
	return storetest.Quirk{}, fmt.Errorf("no fault is called %q", title)
}

// asked checks that the registry at $FAULTY was asked something that matches
// the pattern since the last faulty command, at most LIMIT times when given:
// [!] asked PATTERN [LIMIT]
func asked(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: [!] asked PATTERN [LIMIT]")
	}
	n := faultyOf(ts).Count(args[0])
	if (n > 0) == neg {
		ts.Fatalf("asked %d times for %s", n, args[0])
	}
	if len(args) == 2 {
		limit, err := strconv.Atoi(args[1])
		ts.Check(err)
		if n > limit {
			ts.Fatalf("asked %d times for %s, more than %d", n, args[0], limit)
		}
	}
}

// elsewhere checks that clients were sent on to the second host of $FAULTY, and
// that none of them gave it credentials; and that the registry itself got some.
func elsewhere(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: elsewhere")
	}
	s := faultyOf(ts)
	there := s.Elsewhere.Requests()
	if len(there) == 0 {
		ts.Fatalf("the other host was asked nothing")
	}
	for _, r := range there {
		if r.Authorization != "" {
			ts.Fatalf("the other host was told %q with %s", r.Authorization, r)
		}
	}
	for _, r := range s.Requests() {
		if r.Authorization != "" {
			return
		}
	}
	ts.Fatalf("the registry itself saw no credentials")
}

// login writes docker's configuration with credentials for $FAULTY: login USER PASSWORD
func login(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: login USER PASSWORD")
	}
	auth := base64.StdEncoding.EncodeToString([]byte(args[0] + ":" + args[1]))
	raw, err := json.Marshal(map[string]any{"auths": map[string]any{
		ts.Getenv("FAULTY"): map[string]string{"auth": auth},
	}})
	ts.Check(err)
	dir := filepath.Join(ts.Getenv("HOME"), ".docker")
	ts.Check(os.MkdirAll(dir, 0o700))
	ts.Check(os.WriteFile(filepath.Join(dir, "config.json"), raw, 0o600))
	ts.Setenv("LOGIN", args[1]+" "+auth)
}

// copyImage copies an image to another repository, and nothing that is
// attached to it: copy FROM TO
func copyImage(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: copy FROM TO")
	}
	from, err := name.ParseReference(args[0])
	ts.Check(err)
	to, err := name.NewTag(args[1])
	ts.Check(err)
	img, err := remote.Image(from)
	ts.Check(err)
	ts.Check(remote.Write(to, img))
}

// noSecrets checks that the last command printed none of what it knew in
// confidence: the password of keys, the words and lines of private keys, the
// password for the registry and the header made of it.
func noSecrets(ts *testscript.TestScript) {
	printed := ts.ReadFile("stdout") + ts.ReadFile("stderr")
	secrets := append(strings.Fields(ts.Getenv("LOGIN")), scriptPassword)
	if p := ts.Getenv("HALLMARK_PASSWORD"); len(p) > 8 {
		secrets = append(secrets, p)
	}
	files, err := filepath.Glob(filepath.Join(ts.Getenv("WORK"), "*.key"))
	ts.Check(err)
	for _, file := range files {
		raw, err := os.ReadFile(file)
		ts.Check(err)
		for line := range strings.Lines(string(raw)) {
			if line = strings.TrimSpace(line); len(line) >= 16 && !strings.HasPrefix(line, "-----") {
				secrets = append(secrets, line)
			}
		}
	}
	for _, s := range secrets {
		if strings.Contains(printed, s) {
			ts.Fatalf("the secret %q was printed", s)
		}
	}
}

// oneDocument checks that the last command printed one JSON document, with its
// kind and version, and nothing else.
func oneDocument(ts *testscript.TestScript) {
	dec := json.NewDecoder(strings.NewReader(ts.ReadFile("stdout")))
	var doc struct {
		Kind    string
		Version int
	}
	if err := dec.Decode(&doc); err != nil {
		ts.Fatalf("stdout is no JSON document: %v", err)
	}
	if !regexp.MustCompile(`^hallmark\.[\w-]+$`).MatchString(doc.Kind) || doc.Version < 1 {
		ts.Fatalf("stdout is a document of kind %q, version %d", doc.Kind, doc.Version)
	}
	if _, err := dec.Token(); err != io.EOF {
		ts.Fatalf("stdout goes on behind the document: %v", err)
	}
}

// peakFile is the environment variable that names the file for the peak memory
// of a command.
const peakFile = "HALLMARK_TEST_PEAK"

// measured runs the command line as main does, and then writes the largest
// amount of memory that the process had, where it is asked to and the system
// tells. What wait(2) reports would not do: it counts the memory of the process
// that a child was forked from.
func measured() {
	code := run()
	if file := os.Getenv(peakFile); file != "" {
		status, err := os.ReadFile("/proc/self/status")
		if err == nil {
			err = os.WriteFile(file, status, 0o600)
		}
		if err != nil && !os.IsNotExist(err) && !os.IsPermission(err) {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(3)
		}
	}
	os.Exit(code)
}

// peak checks that the last command had no more memory than so many megabytes,
// where the system tells: peak MB
func peak(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: peak MB")
	}
	limit, err := strconv.Atoi(args[0])
	ts.Check(err)
	raw, err := os.ReadFile(ts.Getenv(peakFile))
	if os.IsNotExist(err) && !hasProc() {
		return
	}
	ts.Check(err)
	m := regexp.MustCompile(`VmHWM:\s*(\d+) kB`).FindSubmatch(raw)
	if m == nil {
		ts.Fatalf("no peak memory in %s", raw)
	}
	kb, err := strconv.Atoi(string(m[1]))
	ts.Check(err)
	ts.Logf("peak memory %.1f MB", float64(kb)*1024/1e6)
	if underRace {
		ts.Logf("not held against the limit of %d MB: the race detector takes several times the memory", limit)
	} else if kb*1024 > limit*1e6 {
		ts.Fatalf("peak memory %d kB, more than %d MB", kb, limit)
	}
	ts.Check(os.Remove(ts.Getenv(peakFile)))
}

func hasProc() bool { _, err := os.Stat("/proc/self/status"); return err == nil }

// quick is exits with a limit on the time that passes: quick SECONDS CODE COMMAND...
func quick(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: quick SECONDS CODE COMMAND...")
	}
	limit, err := strconv.ParseFloat(args[0], 64)
	ts.Check(err)
	start := time.Now()
	exits(ts, false, args[1:])
	took := time.Since(start).Seconds()
	ts.Logf("%.2f s", took)
	if took > limit {
		ts.Fatalf("took %.1f s, more than %v", took, limit)
	}
}
