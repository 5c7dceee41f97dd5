package cli

import "github.com/spf13/cobra"

func newVersionCmd(app *App) *cobra.Command {
	var out render
	cmd := &cobra.Command{
		Use: "version", Short: "Print the version of hallmark", GroupID: groupOther,
		Example: `  hallmark version
  hallmark version -f json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return out.print(app.Version) },
	}
	out.bind(cmd, app, "text", "json")
	return cmd
}
