package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"idlehost/host/internal/app"
)

func newConfig() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Check configuration files",
		Args:  noSuchCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var show bool
	check := &cobra.Command{
		Use:   "check FILE",
		Short: "Check a configuration file; names every mistake by line and key",
		Example: "  host config check host.toml\n" +
			"  host config check --print /dev/null    # every default",
		Args: exactly(1, "one file"),
		RunE: func(cmd *cobra.Command, args []string) error { return checkConfig(cmd, args[0], show) },
	}
	check.Flags().BoolVar(&show, "print", false, "print what the host would go by, defaults included, as TOML")
	cmd.AddCommand(check)
	return cmd
}

func checkConfig(cmd *cobra.Command, name string, show bool) error {
	c, err := readConfig(name)
	if err != nil {
		return err
	}
	c.Complete()
	if err := c.Check(); err != nil {
		return err
	}
	if fits, descriptors := app.Room(); fits > 0 && c.Limits.Connections > fits {
		fmt.Fprintf(cmd.ErrOrStderr(), "host: warning: limits.connections = %d, but the %d descriptors of a process here (ulimit -n) are enough for %d\n",
			c.Limits.Connections, descriptors, fits)
	}
	if show {
		return c.Print(cmd.OutOrStdout())
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s: ok\n", name)
	return nil
}
