package main

import (
	"bufio"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/hallmark-oci/hallmark/testdata/lab"
)

// A gated is the cluster with hallmark as its webhook.
type gated struct {
	*cluster
	bin    string
	reg    *lab.Registry
	hooked *exec.Cmd
	failed []string
}

// enforce puts hallmark before the API server and checks what is admitted.
func enforce(c *cluster, bin string, hooks func(addr string) string) error {
	g := &gated{cluster: c, bin: bin, reg: lab.Memory(false)}
	defer func() { g.reg.Close() }()
	if err := g.images(); err != nil {
		return err
	}
	addr, err := g.webhook()
	if err != nil {
		return err
	}
	defer g.stopWebhook()
	if _, err := c.kubectl("apiVersion: v1\nkind: Namespace\nmetadata: {name: team, labels: {hallmark: enforce}}\n", "create", "-f", "-"); err != nil {
		return err
	}
	refused := func() error {
		if out, err := c.kubectl("", "-n", "team", "run", "probe", "--image=probe.invalid/x", "--dry-run=server"); err == nil {
			return fmt.Errorf("an image of nobody is admitted: %s", out)
		}
		return nil
	}
	if err := c.register(hooks(addr), refused); err != nil {
		return err
	}
	g.kinds()
	g.life()
	g.outages()
	if len(g.failed) > 0 {
		return fmt.Errorf("%d answers are not the expected ones:\n%s", len(g.failed), strings.Join(g.failed, "\n"))
	}
	fmt.Println("\nall answers are the expected ones")
	return nil
}

// images makes a sealed, a wrongly signed and an unsigned image.
func (g *gated) images() error {
	for _, repo := range []string{"apps/sealed", "apps/cold", "apps/wrong", "apps/bare"} {
		if _, err := g.reg.Push(repo, "1"); err != nil {
			return err
		}
	}
	policy := fmt.Sprintf("apiVersion: hallmark.dev/v1alpha1\nkind: Policy\nmetadata: {name: production}\nspec:\n  scopes:\n  - name: team\n    images: [\"%s/**\"]\n    keys: [{file: hallmark.pub}]\n    sbom: {}\n", g.reg.Host)
	if err := g.write("policy.yaml", policy); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"key", "generate"}, {"key", "generate", "-o", "other.key"},
		{"seal", "--key", "hallmark.key", g.reg.Host + "/apps/sealed:1"},
		{"seal", "--key", "hallmark.key", g.reg.Host + "/apps/cold:1"},
		{"seal", "--key", "other.key", g.reg.Host + "/apps/wrong:1"},
	} {
		cmd := g.command(args...)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("hallmark %s: %w\n%s", args[0], err, out)
		}
	}
	return nil
}

func (g *gated) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(g.ctx, g.bin, args...)
	cmd.Dir, cmd.Env = g.dir, []string{"HOME=" + g.dir, "HALLMARK_PASSWORD=kube"}
	return cmd
}

// webhook starts hallmark and returns where it listens.
func (g *gated) webhook() (string, error) {
	g.hooked = g.command("admit", "serve", "--policy", "policy.yaml", "--tls-cert", "tls.crt", "--tls-key", "tls.key", "--addr", "127.0.0.1:0")
	out, err := g.hooked.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := g.hooked.Start(); err != nil {
		return "", err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("the webhook did not start: %w", err)
	}
	return strings.TrimSpace(line), nil
}

func (g *gated) stopWebhook() { _ = g.hooked.Process.Kill(); _ = g.hooked.Wait() }

// expect runs kubectl, shows what it printed, and checks the answer: want is a
// text that must stand in it.
func (g *gated) expect(what string, admitted bool, want, stdin string, args ...string) {
	out, err := g.kubectl(stdin, append([]string{"-n", "team"}, args...)...)
	fmt.Printf("\n# %s\n$ kubectl %s\n%s", what, strings.Join(args, " "), out)
	var exit *exec.ExitError
	switch {
	case err != nil && !errors.As(err, &exit), (err == nil) != admitted, !strings.Contains(out, want):
		g.failed = append(g.failed, fmt.Sprintf("%s: admitted %v, wanted %v and %q", what, err == nil, admitted, want))
	}
}

// with returns an object of a kind with one image in all places.
func (g *gated) with(kind, image string) string {
	text := creations()[kind]
	for _, place := range []string{"init", "side", "main", "data"} {
		text = strings.ReplaceAll(text, "registry.example/apps/"+place+":1", image)
	}
	return text
}

// kinds creates each kind of object with each of the images.
func (g *gated) kinds() {
	host := g.reg.Host
	for _, k := range kinds() {
		g.expect(k+" with an unsigned image", false, "no-signature", g.with(k, host+"/apps/bare:1"), "create", "-f", "-")
		g.expect(k+" with a wrongly signed image", false, "none-accepted", g.with(k, host+"/apps/wrong:1"), "create", "-f", "-")
		g.expect(k+" with one unsigned image among good ones", false, "no-signature",
			strings.Replace(g.with(k, host+"/apps/sealed:1"), host+"/apps/sealed:1", host+"/apps/bare:1", 1), "create", "-f", "-")
		g.expect(k+" with a sealed image", true, "created", g.with(k, host+"/apps/sealed:1"), "create", "-f", "-")
		g.expect(k+" names its images by digest now", true, host+"/apps/sealed:1@sha256:", "", "get", k, "app", "-o", "jsonpath={..image}{\"\\n\"}")
	}
}

// life changes, scales and deletes what was admitted.
func (g *gated) life() {
	host := g.reg.Host
	g.expect("debug container with an unsigned image", false, "no-signature", "",
		"debug", "app", "--image="+host+"/apps/bare:1", "--target=main", "--profile=general", "--attach=false")
	g.expect("debug container with a sealed image", true, "", "",
		"debug", "app", "--image="+host+"/apps/sealed:1", "--target=main", "--container=debug", "--profile=general", "--attach=false")
	g.expect("the debug container is named by digest now", true, host+"/apps/sealed:1@sha256:", "",
		"get", "pod", "app", "-o", "jsonpath={.spec.ephemeralContainers[*].image}{\"\\n\"}")
	g.expect("change to an unsigned image", false, "no-signature", "", "set", "image", "deployment/app", "main="+host+"/apps/bare:1")
	g.expect("scale", true, "scaled", "", "scale", "deployment", "app", "--replicas=5")
	g.expect("dry run with an unsigned image", false, "no-signature",
		strings.Replace(g.with("pod", host+"/apps/bare:1"), `"app"`, `"dry"`, 1), "create", "--dry-run=server", "-f", "-")
	g.expect("delete", true, "deleted", "", "delete", "deployment", "app", "--wait=false")
	g.expect("an image that no policy speaks of", false, "no-policy", "", "run", "stranger", "--image=busybox")
}

// outages stops the registry, then the webhook.
func (g *gated) outages() {
	host := g.reg.Host
	out, err := g.kubectl("", "-n", "team", "get", "pod", "app", "-o", "jsonpath={.spec.containers[0].image}")
	if err != nil {
		g.failed = append(g.failed, err.Error())
	}
	g.reg.Close()
	g.expect("registry down, image known", true, "created", "", "run", "warm", "--image="+out)
	begun := time.Now()
	g.expect("registry down, image not known", false, "unreachable", "", "run", "cold", "--image="+host+"/apps/cold:1")
	fmt.Printf("(refused after %s)\n", time.Since(begun).Round(time.Millisecond))
	g.stopWebhook()
	g.expect("webhook down: nothing is admitted", false, "failed calling webhook", "", "run", "unwatched", "--image="+out)
}
