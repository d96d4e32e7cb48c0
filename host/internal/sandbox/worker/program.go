package worker

import (
	"log/slog"
	"sync"

	"idlehost/host/internal/sandbox/worker/child"
)

// Program says how this program is started as a worker.
type Program struct {
	// Argv starts it in such a way that it calls Main with what follows Argv,
	// its own name first.
	Argv []string
	// Settings returns what a worker is told.
	Settings func() child.Settings
	// Logger is told, once each, what the confinement of workers lacks; and what a
	// worker says that fails. nil: nobody is.
	Logger *slog.Logger

	mu     sync.Mutex // guards the following field
	warned string     // the last that was told
}

// lacks tells what the confinement of a worker does not do.
func (p *Program) lacks(warning string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if warning == "" || warning == p.warned {
		return
	}
	p.warned = warning
	p.logger().Warn("worker processes are not confined as they could be", "lacks", warning)
}

func (p *Program) logger() *slog.Logger {
	if p.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return p.Logger
}

// tail keeps the first of what a process writes.
type tail struct {
	mu   sync.Mutex // guards the following field
	text []byte
}

// tailBytes is how much of it is kept.
const tailBytes = 2048

// Write never fails.
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b[:min(len(b), tailBytes-len(t.text))]...)
	return len(b), nil
}

// String returns what was kept.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}
