package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const about = `host is a reverse proxy whose idle connections are governed by a policy: a
small sandboxed WebAssembly module that is asked, when a connection is accepted
and whenever it has been idle for long enough, whether to keep it.`

const examples = `  host
        listens on 127.0.0.1:8080; a built-in demo answers
  host --upstream http://127.0.0.1:3000 --plugin adaptive.wasm
        puts the bundled adaptive policy in charge of a server of yours
  host --listen :8443 --tls-cert cert.pem --tls-key key.pem --upstream h2c://127.0.0.1:3000
        speaks HTTPS with HTTP/2 and HTTP/1.1
  host --plugin fixed --plugin-config idle=30s --plugin-config tunnel=10m
        hands parameters to a policy
  host check policy.wasm
        tells whether the host takes a policy, and what it answers
  host --config host.toml
        does the same from a file; flags override it
  host --store /var/lib/host
        keeps tenants, who look after their own policies while it runs
  host --record monday.trace
        writes down the lives of connections, for host replay
  host policy push mine.wasm --canary 10
        has a running host ask a policy of yours for a tenth of the clients`

const notes = `Signals: SIGTERM and SIGINT drain (a second one ends at once), SIGHUP reloads
the configuration, certificates and policies.
Exit codes: 0 ok, 1 error, 2 wrong command line or configuration, 75 try again
(the host lacked time, memory or disk, or was busy).
Policies run within budgets of fuel and memory, and cannot reach anything;
SECURITY.md says what this does not protect against.`

func newRoot(f *flags) *cobra.Command {
	root := &cobra.Command{
		Use:           "host",
		Short:         "A reverse proxy whose idle connections are governed by WebAssembly policies",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noSuchCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return run(cmd, f) },
	}
	for _, g := range f.groups {
		root.Flags().AddFlagSet(g.set)
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &usageError{err: err, hint: "see " + cmd.CommandPath() + " --help"}
	})
	root.CompletionOptions.HiddenDefaultCmd = false
	root.SetHelpCommand(&cobra.Command{Hidden: true, Use: "no-help"})
	standard := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		if cmd != root {
			standard(cmd, args)
			return
		}
		help(cmd, f)
	})
	root.AddCommand(newCheck(), newVersion(), newConfig(), newCompileApart(), newWorkerApart(),
		newTenant(), newPolicy(), newConns(), newAudit(), newTrace(), newReplay(), newTune(),
		newImport())
	return root
}

// noSuchCommand refuses arguments of the root command: they are misspelt
// commands.
func noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := "see " + cmd.CommandPath() + " --help"
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		hint = "did you mean " + strings.Join(near, " or ") + "?"
	}
	return usagef(hint, "unknown command %q", args[0])
}

func help(cmd *cobra.Command, f *flags) {
	w := cmd.OutOrStdout()
	fmt.Fprintf(w, "%s\n\nUsage:\n  host [flags]\n  host COMMAND\n\nExamples:\n%s\n\nCommands:\n", about, examples)
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			fmt.Fprintf(w, "  %-12s %s\n", c.Name(), c.Short)
		}
	}
	for _, g := range f.groups {
		fmt.Fprintf(w, "\n%s:\n%s", g.title, g.set.FlagUsages())
	}
	fmt.Fprintf(w, "\n%s\n", notes)
}

// group is a set of flags that the help shows together.
type group struct {
	title string
	set   *pflag.FlagSet
}
