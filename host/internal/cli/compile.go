package cli

import (
	"github.com/spf13/cobra"

	"idlehost/host/internal/sandbox/compile"
)

// compileApart is the command by which the host asks itself to compile a
// policy in another process. It is for compile.Config.Argv, not for people.
const compileApart = "compile-apart"

func newCompileApart() *cobra.Command {
	return &cobra.Command{
		Use:    compileApart,
		Hidden: true,
		Args:   exactly(0, "no argument"),
		RunE:   func(cmd *cobra.Command, _ []string) error { return compile.Child(cmd.InOrStdin(), cmd.OutOrStdout()) },
	}
}
