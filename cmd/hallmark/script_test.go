package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hallmark-oci/hallmark/attach/storetest"
)

// parallelTests is how many tests run at once where -parallel says nothing: more
// than there are processors, since most of their time they wait.
const parallelTests = "5"

func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", parallelTests); err != nil {
		log.Fatal(err)
	}
	testscript.Main(m, map[string]func(){"hallmark": measured, "sigstore-kms-hashivault": vaultPlugin, "sigstore-kms-awskms": awsPlugin})
}

// scriptPassword is what private keys of the scripts are encrypted with. No
// command may print it.
const scriptPassword = "correct-horse-battery-9d1f"

// TestScript runs the end-to-end scripts that measure no memory. Each has a registry of its own at
// $REGISTRY, without the referrers API, one with it at $REFERRERS, and one that
// misbehaves when told to at $FAULTY. At $MIRROR is the TUF repository of Sigstore's
// public instance as it was in August 2026, in files below $MIRRORED.
func TestScript(t *testing.T) {
	t.Parallel()
	testscript.Run(t, scriptParams(scripts(t, false)))
}

// scriptParams returns how the scripts in the files are run.
func scriptParams(files []string) testscript.Params {
	return testscript.Params{
		Files:               files,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			for variable, referrers := range map[string]bool{"REGISTRY": false, "REFERRERS": true} {
				s := httptest.NewServer(registry.New(
					registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(referrers)))
				env.Defer(s.Close)
				env.Setenv(variable, strings.TrimPrefix(s.URL, "http://"))
			}
			public, err := filepath.Abs(filepath.Join("..", "..", "verify", "tuf", "testdata", "public-good"))
			if err != nil {
				return err
			}
			mirror := httptest.NewServer(http.FileServer(http.Dir(public)))
			env.Defer(mirror.Close)
			env.Setenv("MIRROR", mirror.URL)
			env.Setenv("MIRRORED", public)
			faulty := storetest.Start()
			env.Defer(faulty.Close)
			env.Values[faultyKey{}] = faulty
			env.Values[vaultKey{}] = new(kept)
			env.Setenv("FAULTY", faulty.Host)
			env.Setenv("HALLMARK_PASSWORD", scriptPassword)
			env.Setenv("PASSWORD", scriptPassword)
			env.Setenv("NL", "\n")
			env.Setenv(peakFile, filepath.Join(env.WorkDir, ".peak"))
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("GORACE", "atexit_sleep_ms=0 log_path="+filepath.Join(env.WorkDir, raceFile))
			env.Defer(func() { raced(env) })
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"asked":     asked,
			"beside":    new(evaluator).beside,
			"aws":       aws,
			"bomb":      pushBomb,
			"buildx":    pushBuildx,
			"chart":     pushChart,
			"copy":      copyImage,
			"elsewhere": elsewhere,
			"entries":   entryIDs,
			"exits":     exits,
			"faulty":    setFaults,
			"forge":     forge,
			"image":     pushImage,
			"index":     pushIndex,
			"layout":    pushLayout,
			"login":     login,
			"expunge":   expunge,
			"move":      moveTag,
			"peak":      peak,
			"plant":     plant,
			"quick":     quick,
			"vault":     vault,
			"vouch":     vouchFor,
			"tarball":   makeTarball,
		},
	}
}

// raceFile begins the names of the files that the race detector reports to.
const raceFile = ".race"

// raced fails where the race detector, with which "make race" builds this test and
// so the program, found something: a script that expects a failure takes the exit
// code for one.
func raced(env *testscript.Env) {
	reports, _ := filepath.Glob(filepath.Join(env.WorkDir, raceFile+".*"))
	for _, r := range reports {
		raw, err := os.ReadFile(r)
		env.T().Fatal(string(raw), err)
	}
}

// exits runs a command and expects its exit code: exits CODE COMMAND... What it
// prints may hold no secret, and with -f json it must be one document.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARG...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if err != nil {
		if _, scanErr := fmt.Sscanf(err.Error(), "exit status %d", &got); scanErr != nil {
			ts.Fatalf("%v", err)
		}
	}
	if got != want {
		ts.Fatalf("exit code %d, not %d", got, want)
	}
	noSecrets(ts)
	if slices.Contains(args, "json") {
		oneDocument(ts)
	}
}

// pushImage pushes a small random image: image REF
func pushImage(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: image REF")
	}
	img, err := random.Image(256, 2)
	ts.Check(err)
	ref, err := name.NewTag(args[0])
	ts.Check(err)
	ts.Check(remote.Write(ref, img))
	digest, err := img.Digest()
	ts.Check(err)
	ts.Setenv("DIGEST", digest.String())
}

// pushLayout puts a small random image into a new OCI layout: layout DIR:TAG
func pushLayout(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: layout DIR:TAG")
	}
	dir, tag, _ := strings.Cut(args[0], ":")
	img, err := random.Image(256, 2)
	ts.Check(err)
	path, err := layout.Write(ts.MkAbs(dir), empty.Index)
	ts.Check(err)
	ts.Check(path.AppendImage(img, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": tag})))
}

// pushIndex pushes an index of small random images for linux/arch0, linux/arch1 and so on: index REF N
func pushIndex(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: index REF N")
	}
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	var index v1.ImageIndex = empty.Index
	for i := range n {
		img, err := random.Image(256, 1)
		ts.Check(err)
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{
			Platform: &v1.Platform{OS: "linux", Architecture: fmt.Sprintf("arch%d", i)},
		}})
	}
	ref, err := name.NewTag(args[0])
	ts.Check(err)
	ts.Check(remote.WriteIndex(ref, index))
}

// moveTag copies what hangs from one image under cosign's tag to another image, there
// under a tag that begins with the prefix: move SUFFIX FROM TO [PREFIX]
func moveTag(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 && len(args) != 4 {
		ts.Fatalf("usage: move SUFFIX FROM TO [PREFIX]")
	}
	tag := func(ref, prefix string) name.Tag {
		r, err := name.ParseReference(ref)
		ts.Check(err)
		d, err := remote.Head(r)
		ts.Check(err)
		return r.Context().Tag(prefix + strings.Replace(d.Digest.String(), ":", "-", 1) + "." + args[0])
	}
	img, err := remote.Image(tag(args[1], ""))
	ts.Check(err)
	ts.Check(remote.Write(tag(args[2], strings.Join(args[3:], "")), img))
}
