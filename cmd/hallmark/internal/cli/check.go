package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hallmark-oci/hallmark/cmd/hallmark/internal/report"
	"github.com/hallmark-oci/hallmark/verify/advisory"
	"github.com/hallmark-oci/hallmark/verify/advisory/osv"
	"github.com/hallmark-oci/hallmark/verify/check"
	"github.com/hallmark-oci/hallmark/verify/match"
)

func newCheckCmd(app *App) *cobra.Command {
	job := checkJob{app: app}
	cmd := &cobra.Command{
		Use:     "check [flags] IMAGE|SBOM...",
		Short:   "Say which images security advisories affect, from their verified SBOMs",
		GroupID: groupAsk,
		Long: `Fetch the SBOM of each image through verification and hold it against
advisories in OSV JSON: a file, a directory, or a zip archive. Only an SBOM that
an accepted key attested for the image's digest is used; where there is none,
the answer is "could not tell", exit code 2. An SBOM file can be given in place
of an image; it is unsigned, and every answer says so.

With -f vuln the answer on one image is printed as the predicate of a
vulnerability attestation, for 'hallmark attest --type vuln'; a policy can ask
for one with "checked".

Exit code 0 means that nothing is affected, 1 that something is (with --fail-on:
at or above that severity), 2 that no complete answer could be had.`,
		Example: `  hallmark check registry.example/app:1.0 --key hallmark.pub --advisories ./osv
  hallmark check registry.example/a:1 registry.example/b:1 --key hallmark.pub --advisories GO-2026-1234.json
  hallmark check registry.example/app:1.0 --key hallmark.pub --advisories ./osv -f vuln --advisory-set osv -o vuln.json
  hallmark check app.spdx.json --unsigned --advisories all.zip --fail-on high -f sarif -o app.sarif`,
		RunE: func(cmd *cobra.Command, args []string) error { return job.run(cmd.Context(), args) },
	}
	job.target.bind(cmd, app)
	job.images.bind(cmd, &job.target)
	job.target.bindPlatform(cmd)
	job.trust.bind(cmd, app)
	job.out.bind(cmd, app, "text", "json", "sarif", "vuln")
	flags := cmd.Flags()
	flags.StringVar(&job.advisories, "advisories", "", "advisories in OSV JSON: a file, a directory or a zip archive")
	flags.StringVar(&job.set, "advisory-set", "", "with -f vuln: the name by which policies know the advisories (default: the last part of their path)")
	flags.BoolVar(&job.unsigned, "unsigned", false, "use SBOMs that nobody vouches for; every answer says so")
	flags.BoolVar(&job.allowBad, "allow-bad-advisories", false, "answer although some advisories could not be read; they are listed")
	flags.StringVar(&job.failOn, "fail-on", "any",
		"how grave a finding must be to end in exit code 1: any, low, medium, high or critical; severity=high is the same as high")
	return cmd
}

type checkJob struct {
	app        *App
	target     target
	images     images
	trust      trust
	out        render
	advisories string
	unsigned   bool
	allowBad   bool
	failOn     string
	set        string // name of the advisories
}

func (j *checkJob) run(ctx context.Context, args []string) error {
	ctx, cancel := j.app.context(ctx)
	defer cancel()
	level, err := j.level()
	if err != nil {
		return err
	}
	if err := j.attestable(); err != nil {
		return err
	}
	j.images.skip = isFile
	list, err := j.images.names(ctx, args)
	if err != nil {
		return err
	}
	if j.out.format == "vuln" && !j.images.one(list) {
		return usagef("-f vuln is about one image: name one")
	}
	scan := report.Scan{Started: j.app.Now()}
	set, checker, err := j.prepare(ctx)
	if err != nil {
		return err
	}
	doc := report.Checks{FailOn: strings.TrimPrefix(j.failOn, "severity="), Advisories: report.NewAdvisories(j.advisories, set), Images: []report.Checked{}}
	var outcomes, found []check.Outcome
	type answer struct {
		check.Result
		err error
	}
	job := func(ctx context.Context, o opened) answer {
		result, err := j.one(ctx, checker, o)
		return answer{result, err}
	}
	for _, r := range each(ctx, &j.images, "checking", list, job) {
		if r.err != nil {
			return r.err
		}
		outcome, _ := r.AtLeast(level)
		outcomes, found = append(outcomes, outcome), append(found, r.Outcome)
		doc.Images = append(doc.Images, report.NewChecked(r.Result, level))
	}
	overall := worst(outcomes)
	doc.Outcome = overall.String()
	if overall == check.NotAffected && slices.Contains(found, check.Affected) {
		doc.Outcome = check.Affected.String() // what is below --fail-on is there all the same
	}
	scan.Advisories, scan.Newest, scan.Finished = j.setName(), set.Newest(), j.app.Now()
	if err := j.print(doc, scan); err != nil {
		return err
	}
	if j.out.format != "text" || j.out.output != "-" {
		j.open(doc)
	}
	return checkError(overall)
}

// open says what the answer leaves open, and what to do, to people who do not
// see the answer itself.
func (j *checkJob) open(doc report.Checks) {
	for _, img := range doc.Images {
		if img.Outcome == check.Undetermined.String() {
			advice := ""
			if img.Advice != "" {
				advice = "; to do: " + img.Advice
			}
			j.app.notef("could not tell: %s: %s%s", img.Name, img.Detail, advice)
		}
	}
}

// level returns the severity that --fail-on names.
func (j *checkJob) level() (advisory.Level, error) {
	word := strings.TrimPrefix(j.failOn, "severity=")
	if word == "any" {
		return advisory.Unknown, nil
	}
	level, err := advisory.ParseLevel(word)
	if err != nil || level == advisory.Unknown {
		return level, usagef("--fail-on %q: want any, low, medium, high or critical", j.failOn)
	}
	return level, nil
}

// prepare loads the advisories and makes the checker.
func (j *checkJob) prepare(ctx context.Context) (advisory.Set, *check.Checker, error) {
	switch {
	case j.advisories == "":
		return advisory.Set{}, nil, usagef("no advisories: give --advisories FILE|DIR|ZIP with OSV records")
	case j.unsigned && j.trust.given():
		return advisory.Set{}, nil, usagef("--unsigned asks nobody to vouch for an SBOM; it does not go with --key")
	}
	opts := check.Options{Threshold: j.trust.threshold, Unsigned: j.unsigned, AllowBad: j.allowBad}
	if !j.unsigned {
		trust, err := j.trust.load(ctx)
		if err != nil {
			return advisory.Set{}, nil, err
		}
		opts.Trust = trust
	}
	set, err := osv.Load(ctx, j.advisories)
	if err != nil {
		return set, nil, fmt.Errorf("load advisories: %w", err)
	}
	checker, err := check.New(match.NewIndex(set), opts)
	if err != nil {
		return set, nil, usagef("%v", err)
	}
	return set, checker, nil
}

// isFile reports whether the argument is a file that exists, and so an SBOM.
func isFile(arg string) bool {
	info, err := os.Stat(arg)
	return err == nil && info.Mode().IsRegular()
}

// one answers for one argument: a file that exists is an SBOM, anything else
// an image. An image that cannot be resolved is an answer of its own, so that
// it does not hide the others.
func (j *checkJob) one(ctx context.Context, c *check.Checker, o opened) (check.Result, error) {
	arg := o.at.name
	switch {
	case errors.Is(o.err, errUsage):
		return check.Result{}, o.err
	case o.err != nil:
		return check.Result{
			Name: arg, Unsigned: j.unsigned, Outcome: check.Undetermined,
			Reason: check.SBOMUnreachable, Detail: oneLine(o.err), Advice: hintFor(nil, o.err),
		}, nil
	case o.Store != nil:
		result, err := c.Image(ctx, o.reader, o.subject)
		result.Name = arg
		return result, err
	case !j.unsigned:
		return check.Result{}, usagef("%s is a file, which nobody vouches for: say --unsigned to use it", arg)
	}
	f, err := os.Open(arg)
	if err != nil {
		return check.Result{}, err
	}
	defer f.Close()
	return c.Document(ctx, arg, f)
}

// attestable refuses an answer that could not be attested.
func (j *checkJob) attestable() error {
	switch vuln := j.out.format == "vuln"; {
	case vuln && j.unsigned:
		return usagef("-f vuln is there to be attested, and what rests on an unsigned SBOM is not: leave --unsigned away")
	case !vuln && j.set != "":
		return usagef("--advisory-set names the advisories in -f vuln; it goes with no other format")
	}
	return nil
}

// setName is what the advisories are called in an attestation.
func (j *checkJob) setName() string {
	if j.set != "" {
		return j.set
	}
	return filepath.Base(j.advisories)
}

func (j *checkJob) print(doc report.Checks, scan report.Scan) error {
	if j.out.format == "vuln" {
		if doc.Outcome == check.Undetermined.String() {
			j.app.notef("nothing is written: there is no answer that could be attested")
			return nil
		}
		return j.out.write(func(w io.Writer) error { return report.WriteVuln(w, j.app.Version, doc, scan) })
	}
	if j.out.format == "sarif" {
		return j.out.write(func(w io.Writer) error { return report.WriteSARIF(w, j.app.Version, doc) })
	}
	return j.out.print(doc)
}

// worst sums the answers up: one image that is affected is a yes, else one open
// question leaves the whole open.
func worst(outcomes []check.Outcome) check.Outcome {
	sum := check.NotAffected
	for _, o := range outcomes {
		switch o {
		case check.Affected:
			return check.Affected
		case check.NotAffected:
		case check.Undetermined:
			sum = check.Undetermined
		default:
			sum = check.Undetermined
		}
	}
	return sum
}

// checkError turns the answer into the exit code.
func checkError(o check.Outcome) error {
	switch o {
	case check.NotAffected:
		return nil
	case check.Affected:
		return codeError(exitNo)
	case check.Undetermined:
		return codeError(exitUndetermined)
	}
	return codeError(exitUndetermined)
}
