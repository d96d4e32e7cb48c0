package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"
)

// ErrCutShort is returned by Run when a second signal ended the drain.
var ErrCutShort = errors.New("ended before all connections were drained")

// Run builds a host and serves until ctx is done, a part fails, or SIGTERM or
// SIGINT arrives; then it drains. SIGHUP reloads. It returns nil after a
// drain, whether or not all connections ended within its bound.
func Run(ctx context.Context, cfg Config, signals <-chan os.Signal) error {
	a, err := build(ctx, cfg, signals)
	if err != nil || a == nil {
		return err
	}
	return errors.Join(a.Run(ctx, signals), a.Close())
}

// build is New, which a signal ends: a policy may take a while to load. It
// returns nothing then.
func build(ctx context.Context, cfg Config, signals <-chan os.Signal) (*App, error) {
	// The host goes on with this context: it must not end with New.
	building, stop := context.WithCancel(ctx)
	var watch sync.WaitGroup
	built, ended := make(chan struct{}), false
	watch.Go(func() {
		for !ended {
			select {
			case s := <-signals:
				ended = s != syscall.SIGHUP
			case <-built:
				return
			}
		}
		stop()
	})
	a, err := New(building, cfg)
	close(built)
	watch.Wait()
	switch {
	case !ended && err == nil:
		context.AfterFunc(ctx, stop)
		return a, nil
	case !ended:
		stop()
		return nil, err
	case a != nil:
		return nil, a.Close()
	}
	return nil, nil
}

// Run serves like the function of that name. It is called once.
func (a *App) Run(ctx context.Context, signals <-chan os.Signal) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var g group
	g.add(a.listeners.serve, a.listeners.stop)
	g.add(func() error { return a.attend(ctx, signals) }, stop)
	a.serveAdmin()
	a.summary()
	a.state.Store(serving)
	return g.run()
}

// attend waits for signals, and drains at the end. A reload does not keep it
// from that: policies may take a while to load.
func (a *App) attend(ctx context.Context, signals <-chan os.Signal) error {
	r := newReloads(a.Reload, a.retry, a.mayRetry)
	defer r.stop()
	for {
		select {
		case <-ctx.Done():
			r.stop()
			return a.drain(signals)
		case s := <-signals:
			if s != syscall.SIGHUP {
				a.logger.Info("draining", "signal", s.String())
				r.stop()
				return a.drain(signals)
			}
			r.ask(ctx)
		case <-r.done:
			r.ended(ctx)
		case <-r.next.C:
			r.begin(ctx, r.retry)
		}
	}
}

// drain stops accepting and ends connections politely: idle ones at once,
// the others after their request. It is bounded by the configuration, and by
// another signal to end.
func (a *App) drain(signals <-chan os.Signal) error {
	a.state.Store(draining)
	a.mu.Lock()
	bound := a.current.Drain.Timeout.D()
	a.mu.Unlock()
	a.listeners.stopAccepting()
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	start, left := time.Now(), make(chan int, 1)
	go func() { left <- a.governor.Drain(ctx) }() // awaited below
	var err error
	for {
		select {
		case s := <-signals:
			if s != syscall.SIGHUP {
				cancel()
				err = ErrCutShort
			}
		case n := <-left:
			a.logger.Info("drained", "took", time.Since(start).Round(time.Millisecond).String(), "left", n)
			if n == 0 {
				return nil
			}
			return err
		}
	}
}

// ready says why the host takes no traffic; nil if it does.
func (a *App) ready() error {
	switch a.state.Load() {
	case starting:
		return errors.New("starting")
	case draining:
		return errors.New("draining")
	}
	return nil
}

// summary tells a person what runs where.
func (a *App) summary() {
	w := a.cfg.Stdout
	for _, line := range a.about() {
		fmt.Fprintln(w, line)
	}
	if hint := a.listeners.demoHint(); hint != "" {
		fmt.Fprintln(w, hint)
	}
}
