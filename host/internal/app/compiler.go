package app

import (
	"context"
	"fmt"

	"idlehost/host/internal/config"
	"idlehost/host/internal/sandbox/compile"
	"idlehost/host/internal/sandbox/engine"
)

// What a policy may be, and have, at most: the engine's own limits, said here
// because tenants are told of them.
const (
	policyPages = 128 // of memory, 64 KiB each
	moduleBytes = 4 << 20
)

// runGuests makes the engine, what compiles for it, and the worker processes.
func (a *App) runGuests(ctx context.Context, c *config.Config) (err error) {
	if a.compiler, err = compile.New(ctx, compile.Config{Argv: a.cfg.CompileApart, Version: a.cfg.Version}); err != nil {
		return err
	}
	a.sayWhereCompiled()
	compiler := a.cfg.compiler
	if compiler == nil {
		compiler = compile.Loader{Compiler: a.compiler}
	}
	a.engine, err = engine.New(ctx, engine.Config{MemoryPages: policyPages, ModuleBytes: moduleBytes, Compiler: compiler, Turns: turns()})
	if err != nil {
		return fmt.Errorf("engine: %w", err)
	}
	a.openWorkers(c)
	return nil
}

// sayWhereCompiled warns where the sandbox is weaker than it could be.
func (a *App) sayWhereCompiled() {
	switch c := a.compiler.Capability(); {
	case c.Apart && c.Keeps:
		a.logger.Debug(c.String())
	case c.Apart:
		a.logger.Info(c.String())
	default:
		a.logger.Warn(c.String())
	}
	if w := a.compiler.Capability().Warning(); w != "" {
		a.logger.Warn(w)
	}
}
