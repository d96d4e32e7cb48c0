package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"idlehost/host/internal/app"
	"idlehost/host/internal/check"
	"idlehost/host/internal/sandbox/compile"
	"idlehost/plugins"
)

const aboutCheck = `Tell what there is to know of a policy before it is put in charge: whether the
host takes it, what it imports, exports and holds in memory, what it answers to
built-in events (in every phase; new, regular and hostile clients, an empty and
a full host, extreme values), and what part of the fuel it is given that takes.
A POLICY is a file, else the name of a bundled one.

Answers are the policy's own: the operator's floor and ceiling, which bind them,
do not show. With an idle time that it would not have let come to pass, a policy
is asked all the same. FUEL is counted in units of about one simple instruction.

Exit codes: 0 the policy is fine, 1 it is refused, or fails at something,
2 wrong command line, 75 the check came to no verdict (try again).`

func newCheck() *cobra.Command {
	var pairs []string
	var asJSON, manual bool
	cmd := &cobra.Command{
		Use:   "check POLICY",
		Short: "Check a policy: is it taken, what does it answer, what does it cost",
		Long:  aboutCheck,
		Example: "  host check policy.wasm\n" +
			"  host check fixed --plugin-config idle=30s\n" +
			"  host check --json policy.wasm\n" +
			"  host check --manual adaptive",
		Args: exactly(1, "one policy"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if manual {
				return showManual(cmd.OutOrStdout(), args[0])
			}
			return checkPolicy(cmd, args[0], pairs, asJSON)
		},
	}
	cmd.Flags().StringArrayVar(&pairs, "plugin-config", nil, pluginConfigUsage)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	cmd.Flags().BoolVar(&manual, "manual", false, "print what a bundled policy does, its parameters and when to use it, instead")
	return cmd
}

func showManual(w io.Writer, name string) error {
	text, ok := plugins.Manual(name)
	if !ok {
		return usagef("bundled: "+strings.Join(plugins.Names(), ", "), "%q is not a bundled policy", name)
	}
	_, err := w.Write(text)
	return err
}

// checkPolicy prints the report whatever it says, and returns what is wrong.
func checkPolicy(cmd *cobra.Command, path string, pairs []string, asJSON bool) error {
	params, err := pluginParams(pairs)
	if err != nil {
		return err
	}
	wasm, err := app.ReadPolicy(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return usagef("bundled: "+strings.Join(plugins.Names(), ", "), "%q is neither a file nor a bundled policy", path)
	case err != nil:
		return &usageError{err: fmt.Errorf("policy: %w", err)}
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	report, err := checked(ctx, path, wasm, params)
	switch {
	case ctx.Err() != nil:
		return errors.New("interrupted")
	case err != nil:
		return err
	}
	write := report.WriteText
	if asJSON {
		write = report.WriteJSON
	}
	return errors.Join(report.Err(), write(cmd.OutOrStdout()))
}

// checked checks a policy until it is done, or ctx ends.
func checked(ctx context.Context, path string, wasm []byte, params map[string]string) (*check.Report, error) {
	compiler, err := compile.New(ctx, compile.Config{Argv: []string{os.Args[0], compileApart}, Version: version()})
	if err != nil {
		return nil, fmt.Errorf("compile apart: %w", err)
	}
	defer compiler.Close()
	in := check.Input{Name: filepath.Base(path), Wasm: wasm, Params: params}
	in.Engine.Compiler = compile.Loader{Compiler: compiler}
	report, err := check.Run(ctx, in)
	if err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	return report, nil
}
