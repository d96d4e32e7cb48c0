package app

import (
	"context"
	"fmt"
	"time"

	"idlehost/host/internal/engine"
	"idlehost/host/internal/engine/forge"
)

// compileWall bounds one compile by the clock. Processor time is what counts,
// and is bounded more closely by forge: on a machine that has none to spare, a
// policy that the operator has named is worth waiting for, and the child stands
// back behind everybody who serves requests.
const compileWall = time.Minute

// What a policy may be, and have, at most: the engine's own limits, said here
// because tenants are told of them.
const (
	policyPages = 128 // of memory, 64 KiB each
	moduleBytes = 4 << 20
)

// runGuests makes the engine, and what compiles for it.
func (a *App) runGuests(ctx context.Context) (err error) {
	if a.forge, err = forge.New(ctx, forge.Config{Argv: a.cfg.CompileApart, Version: a.cfg.Version, Wall: compileWall}); err != nil {
		return err
	}
	a.sayWhereCompiled()
	a.engine, err = engine.New(ctx, engine.Config{MemoryPages: policyPages, ModuleBytes: moduleBytes, Compiler: forge.Loader{Forge: a.forge}, Turns: turns(), Log: guestSays(a.logger)})
	if err != nil {
		return fmt.Errorf("engine: %w", err)
	}
	return nil
}

// sayWhereCompiled warns where the sandbox is weaker than it could be.
func (a *App) sayWhereCompiled() {
	switch c := a.forge.Capability(); {
	case c.Apart && c.Keeps:
		a.logger.Debug(c.String())
	case c.Apart:
		a.logger.Info(c.String())
	default:
		a.logger.Warn(c.String())
	}
}
