package cli

import (
	"github.com/spf13/cobra"

	"idlehost/host/internal/sandbox/worker"
)

// workerApart is the command by which the host starts itself as a worker, which
// runs the policies of tenants. It is for worker.Program.Argv, not for people.
const workerApart = "worker-apart"

func newWorkerApart() *cobra.Command {
	return &cobra.Command{
		Use:                workerApart,
		Hidden:             true,
		DisableFlagParsing: true,
		RunE:               func(_ *cobra.Command, args []string) error { return worker.Main(args) },
	}
}
