package main

import (
	"fmt"
	"os"
	"strings"
)

// readme is the commands of README's part about signing without a key, as they are
// written there, with what this sandbox has in place of what the public instance and
// GitHub have.
func readme(path string) (group, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return group{}, fmt.Errorf("%w; run this from the root of the repository", err)
	}
	_, part, _ := strings.Cut(string(raw), "\n## Without a key\n")
	part, _, _ = strings.Cut(part, "\n## ")
	here := strings.NewReplacer(
		"\\\n", " ",
		"hallmark trust init", "hallmark trust init --mirror $TUF --root $DIR/root.json",
		"https://token.actions.githubusercontent.com", "$OIDC/github",
		"https://github.com/team/app/.github/workflows/release.yaml@refs/heads/main", workflow,
	)
	g := group{name: "README"}
	for i, block := range strings.Split(part, "```") {
		if i%2 == 0 { // prose
			continue
		}
		for line := range strings.Lines(here.Replace(block)) {
			args, ok := strings.CutPrefix(strings.TrimSpace(line), "hallmark ")
			if !ok {
				continue
			}
			s := step{name: args, by: ours, env: append(job(), "HOME=$DIR/readme"), args: strings.NewReplacer("registry.example/team/app:1.0", "$registry_readme").Replace(args)}
			s.alone = strings.HasPrefix(args, "verify ")
			g.steps = append(g.steps, s)
		}
	}
	if len(g.steps) < 3 {
		return g, fmt.Errorf("%s has %d commands that sign without a key", path, len(g.steps))
	}
	return g, nil
}
