package cli

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"idlehost/host/internal/app"
	"idlehost/host/internal/config"
)

// run serves until a signal, or the command's context, ends it.
func run(cmd *cobra.Command, f *flags) error {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer signal.Stop(signals)
	return app.Run(cmd.Context(), app.Config{
		Version: version(),
		Load:    func() (*config.Config, error) { return load(f) },
		Stdout:  cmd.OutOrStdout(),
		Stderr:  cmd.ErrOrStderr(),

		CompileApart: []string{os.Args[0], compileApart},
		StartWorker:  []string{os.Args[0], workerApart},
	}, signals)
}

// load reads the file that --config names and lays the flags over it.
func load(f *flags) (*config.Config, error) {
	c := config.Default()
	if f.config != "" {
		var err error
		if c, err = readConfig(f.config); err != nil {
			return nil, err
		}
	}
	if err := f.apply(c); err != nil {
		return nil, err
	}
	c.Complete()
	if err := c.Check(); err != nil {
		return nil, err
	}
	return c, nil
}

func readConfig(name string) (*config.Config, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, &usageError{err: fmt.Errorf("configuration: %w", err), hint: "see host config --help"}
	}
	return config.Parse(name, data)
}
