// Command demo shows the main job of hallmark on a real image in a real
// registry, without any network: it seals an image, shows what hangs from it,
// verifies it, and then tries three ways to cheat. After that it asks which
// advisories affect the image, judges images by a policy, and answers a
// cluster's admission requests.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	hallmark := flag.String("hallmark", "bin/hallmark", "the hallmark to show")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	err := run(ctx, *hallmark)
	cancel()
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// demo is one run.
type demo struct {
	ctx  context.Context
	bin  string
	dir  string
	host string // of the registry
}

func run(ctx context.Context, bin string) error {
	bin, err := filepath.Abs(bin)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "hallmark-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	d := &demo{ctx: ctx, bin: bin, dir: dir}
	stop, err := d.startRegistry()
	if err != nil {
		return err
	}
	defer stop()
	for _, act := range []func() error{d.seal, d.look, d.retagged, d.swapped, d.copied, d.advisories, d.policies, d.admission} {
		if err := act(); err != nil {
			return err
		}
	}
	d.say("That was all: one command to seal, three cheats refused, and an answer for the security team, the policy and the cluster.")
	return nil
}

// startRegistry runs hallmark's own registry on a free port of the loopback interface.
func (d *demo) startRegistry() (stop func(), err error) {
	cmd := exec.CommandContext(d.ctx, d.bin, "registry", "serve", "--addr", "127.0.0.1:0", "--referrers=false")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop = func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		stop()
		return nil, fmt.Errorf("the registry did not start: %w", err)
	}
	d.host = strings.TrimSpace(line)
	d.say("A registry that knows nothing of signatures, SBOMs or referrers runs at %s.", d.host)
	return stop, nil
}

// seal builds the image, makes a key and does the main job.
func (d *demo) seal() error {
	d.say("An image of three layers: a Debian package database, the hallmark binary, and an npm project.")
	if err := d.push("demo/app:1.0", "app"); err != nil {
		return err
	}
	d.say("A key pair. The password comes from the environment here, from the terminal otherwise.")
	if err := d.hallmark(0, "key", "generate"); err != nil {
		return err
	}
	d.say("The main job: take the inventory, attach it, attest it, sign the image, verify the result.")
	return d.hallmark(0, "seal", d.host+"/demo/app:1.0", "--key", "hallmark.key")
}

// look shows what hangs from the image and verifies it as anyone would.
func (d *demo) look() error {
	d.say("Everything that now hangs from the image, found by tag and by journal:")
	if err := d.hallmark(0, "list", d.host+"/demo/app:1.0"); err != nil {
		return err
	}
	d.say("Anyone with the public key can check image, SBOM and every byte of every layer:")
	if err := d.hallmark(0, "verify", d.host+"/demo/app:1.0", "--key", "hallmark.pub", "--sbom", "--deep"); err != nil {
		return err
	}
	d.say("The SBOM, handed out only because it verified, summed up:")
	if err := d.hallmark(0, "get", "sbom", d.host+"/demo/app:1.0", "--key", "hallmark.pub", "-o", "sbom.json"); err != nil {
		return err
	}
	return d.hallmark(0, "sbom", "show", "sbom.json")
}

// retagged moves the tag to other content.
func (d *demo) retagged() error {
	d.say("First cheat: the tag is moved to other content. No signature names the new digest: refused.")
	if err := d.push("demo/app:1.0", "evil"); err != nil {
		return err
	}
	return d.hallmark(1, "verify", d.host+"/demo/app:1.0", "--key", "hallmark.pub")
}

// swapped gives a signed image the SBOM of another image.
func (d *demo) swapped() error {
	d.say("Second cheat: a signed image gets the sealed SBOM of another image. The statement names the other image: refused.")
	if err := d.push("demo/app:good", "app"); err != nil {
		return err
	}
	if err := d.push("demo/app:2.0", "other"); err != nil {
		return err
	}
	if err := d.hallmark(0, "sign", d.host+"/demo/app:2.0", "--key", "hallmark.key"); err != nil {
		return err
	}
	for _, suffix := range []string{"att", "sbom"} {
		if err := d.moveObject("demo/app:good", "demo/app:2.0", suffix); err != nil {
			return err
		}
	}
	return d.hallmark(1, "verify", d.host+"/demo/app:2.0", "--key", "hallmark.pub", "--sbom")
}

// copied gives an unsigned image the signature of another image.
func (d *demo) copied() error {
	d.say("Third cheat: an unsigned image gets the signature of a signed one. The signed payload names the other image: refused.")
	if err := d.push("demo/app:3.0", "third"); err != nil {
		return err
	}
	if err := d.moveObject("demo/app:good", "demo/app:3.0", "sig"); err != nil {
		return err
	}
	return d.hallmark(1, "verify", d.host+"/demo/app:3.0", "--key", "hallmark.pub")
}

// hallmark runs one command, shows it and its output, and expects an exit code.
func (d *demo) hallmark(want int, args ...string) error {
	fmt.Printf("$ hallmark %s\n", strings.Join(args, " "))
	cmd := exec.CommandContext(d.ctx, d.bin, args...)
	cmd.Dir = d.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + d.dir, "HALLMARK_PASSWORD=demo"}
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stdout
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return err
	}
	got := cmd.ProcessState.ExitCode()
	fmt.Printf("(exit code %d)\n", got)
	if got != want {
		return fmt.Errorf("hallmark %s: exit code %d, not %d", args[0], got, want)
	}
	return nil
}

func (d *demo) say(format string, args ...any) { fmt.Printf("\n# "+format+"\n", args...) }
