package cli

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hallmark-oci/hallmark/attach"
	"github.com/hallmark-oci/hallmark/cmd/hallmark/internal/report"
	"github.com/hallmark-oci/hallmark/verify"
	"github.com/hallmark-oci/hallmark/verify/policy"
	"github.com/hallmark-oci/hallmark/verify/policy/trial"
)

func newPolicyCmd(app *App) *cobra.Command {
	return group("policy", "Check, explain and try out policy files", groupAsk,
		newPolicyValidateCmd(app), newPolicyExplainCmd(app), newPolicyTestCmd(app), newPolicySchemaCmd(app))
}

func newPolicyValidateCmd(app *App) *cobra.Command {
	var out render
	files := policyFiles{app: app, partial: true}
	cmd := &cobra.Command{
		Use:   "validate [flags] FILE...",
		Short: "Say whether policy files are right, and what is in them",
		Long: `Read policy files, hallmark's and ClusterImagePolicies, together as 'hallmark
verify --policy' does, and print the scopes, whom they trust and for what.
Warnings tell what is allowed and may not be what is meant. Nothing is asked of
the network.

Exit code 0 means that the files can be used, 64 that something in them is
wrong; the error names file, line and field.`,
		Example: `  hallmark policy validate policy.yaml
  hallmark policy validate policy.yaml revoked.yaml -f json`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			files.paths = args
			set, err := files.load(cmd.Context())
			if err != nil {
				return err
			}
			return out.print(report.NewPolicies(args, set))
		},
	}
	out.bind(cmd, app, "text", "json")
	bindTrustedRoot(cmd, &files.root)
	return cmd
}

func newPolicyExplainCmd(app *App) *cobra.Command {
	var out render
	files := policyFiles{app: app}
	cmd := &cobra.Command{
		Use:   "explain [flags] FILE... IMAGE",
		Short: "Say what policies ask of an image, by its name",
		Long: `Print which scopes and ClusterImagePolicies speak of an image of this name, and
what each of them asks for. Only the name counts: the image need not exist, and
nothing is asked of the network. What an image has is told by 'hallmark verify
--policy FILE IMAGE'.`,
		Example: `  hallmark policy explain policy.yaml registry.example/team/app:1.0
  hallmark policy explain policy.yaml registry.example/team/app:1.0 -f json`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			files.paths = args[:len(args)-1]
			set, err := files.load(cmd.Context())
			if err != nil {
				return err
			}
			image := args[len(args)-1]
			m, err := matched(set, image)
			if err != nil {
				return err
			}
			return out.print(report.NewExplanation(image, m))
		},
	}
	out.bind(cmd, app, "text", "json")
	bindTrustedRoot(cmd, &files.root)
	return cmd
}

// matched returns the policies for an image by its name.
func matched(set *policy.Set, image string) (policy.Matched, error) {
	rest, isLayout := strings.CutPrefix(image, layoutPrefix)
	if !isLayout {
		return set.Match(image, nil), checkScheme(image)
	}
	dir, _, err := splitLayout(image, rest)
	return set.MatchLayout(dir), err
}

func newPolicySchemaCmd(app *App) *cobra.Command {
	var out render
	cmd := &cobra.Command{
		Use:   "schema [flags]",
		Short: "Print the JSON schema of policy files, for editors",
		Long: `Print the JSON schema (draft 2020-12) of hallmark's policy files. Editors with a
YAML language server complete and check a policy that begins with the line

  # yaml-language-server: $schema=policy.schema.json

with the schema in the file of that name beside it.`,
		Example: `  hallmark policy schema -o policy.schema.json`,
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return out.write(func(w io.Writer) error {
				_, err := io.WriteString(w, policy.Schema())
				return err
			})
		},
	}
	out.bindOutput(cmd, app)
	return cmd
}

func newPolicyTestCmd(app *App) *cobra.Command {
	job := policyTestJob{app: app}
	cmd := &cobra.Command{
		Use:   "test [flags] FILE...",
		Short: "Judge images by policies and compare with what is expected",
		Long: `Judge images as 'hallmark verify --policy' does, and compare the verdicts with
those that files of expectations name:

  apiVersion: hallmark.dev/v1alpha1
  kind: PolicyTest
  spec:
    now: 2026-12-01T00:00:00Z
    cases:
    - name: an image without SBOM is refused
      image: oci:images/bare:1.0
      as: registry.example/team/app:1.0
      outcome: reject
      checks:
      - {rule: production/team/sbom, reason: no-attestation}

An image is one in a registry, or in an OCI layout directory, which lies
relative to the file. "as" is the name that the policies know it by, and "now"
the time at which is judged; checks that are not named are not compared.

Exit code 0 means that all is as expected, 1 that something differs, 2 that the
only difference is that for some image no answer could be had.`,
		Example: `  hallmark policy test policy.yaml --fixtures policy-test.yaml
  hallmark policy test policy.yaml revoked.yaml --fixtures ./policy-tests -f json`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return job.run(cmd.Context(), args) },
	}
	job.target.bind(cmd, app)
	job.policies.app, job.policies.target = app, &job.target
	job.policies.bindServices(cmd)
	bindTrustedRoot(cmd, &job.policies.root)
	job.out.bind(cmd, app, "text", "json")
	cmd.Flags().StringArrayVar(&job.fixtures, "fixtures", nil, "file with expectations, or a directory of such files (*.yaml, *.yml, *.json); repeatable")
	return cmd
}

type policyTestJob struct {
	app      *App
	policies policyFiles
	target   target
	out      render
	fixtures []string
}

func (j *policyTestJob) run(ctx context.Context, args []string) error {
	ctx, cancel := j.app.context(ctx)
	defer cancel()
	suites, err := j.suites()
	if err != nil {
		return err
	}
	var results []trial.Result
	for _, s := range suites {
		j.policies.paths, j.policies.now = args, s.Now
		set, err := j.policies.load(ctx)
		if err != nil {
			return err
		}
		for _, c := range s.Cases {
			r, err := c.Run(ctx, set, j.open)
			if err != nil {
				return err
			}
			results = append(results, r)
		}
	}
	doc := report.NewPolicyTests(results)
	if err := j.out.print(doc); err != nil {
		return err
	}
	return outcomeError(map[string]verify.Outcome{"pass": verify.Accept, "fail": verify.Reject}[doc.Outcome])
}

func (j *policyTestJob) open(ctx context.Context, name string) (attach.Reader, attach.Subject, error) {
	img, err := j.target.open(ctx, name)
	return img.Store, img.subject, err
}

// maxFixtures is how many files of expectations are read.
const maxFixtures = 1000

// suites reads the files of expectations.
func (j *policyTestJob) suites() ([]trial.Suite, error) {
	if len(j.fixtures) == 0 {
		return nil, usagef("nothing says what is expected: give --fixtures FILE or DIRECTORY")
	}
	var paths []string
	for _, f := range j.fixtures {
		more, err := fixtureFiles(f)
		if err != nil {
			return nil, usagef("--fixtures: %v", err)
		}
		if paths = append(paths, more...); len(paths) > maxFixtures {
			return nil, usagef("--fixtures: more than %d files", maxFixtures)
		}
	}
	var suites []trial.Suite
	for _, path := range paths {
		text, err := readFile(path, trial.MaxFile)
		if err != nil {
			return nil, usagef("--fixtures %s: %v", path, err)
		}
		s, err := trial.Parse(path, text)
		if errors.Is(err, policy.ErrInvalid) {
			return nil, usagef("%v", err)
		}
		if err != nil {
			return nil, err
		}
		suites = append(suites, s)
	}
	return suites, nil
}

// fixtureFiles returns the file, or those in the directory, which may lie deeper. Layouts
// in it hold files of other kinds.
func fixtureFiles(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return []string{path}, err
	}
	var files []string
	err = filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && isLayout(p):
			return fs.SkipDir
		case d.Type().IsRegular() && slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(p)):
			files = append(files, p)
		}
		if len(files) > maxFixtures {
			return errors.New("too many files")
		}
		return nil
	})
	if err == nil && len(files) == 0 {
		err = errors.New(path + " has no *.yaml, *.yml or *.json in it")
	}
	return files, err
}

// isLayout reports whether the directory is an OCI layout.
func isLayout(dir string) bool { return isFile(filepath.Join(dir, "oci-layout")) }
