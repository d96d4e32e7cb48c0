package child

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"golang.org/x/sys/unix"

	"idlehost/host/internal/sandbox/engine"
	"idlehost/host/internal/sandbox/worker/channel"
	"idlehost/host/internal/sandbox/worker/control"
)

// The descriptors that a worker inherits.
const (
	fdControl = 3 + iota
	fdChannel
	fdMemory
)

// Main is what a worker process does, with the argument that Settings.String has
// made, until its host goes. enter takes from the process what it does not need,
// and says what that lacks; it is called before anything that is hostile is there.
// Run by anybody else than a host, Main returns an error.
func Main(argument string, enter func() (lacks string, err error)) error {
	s, err := parseSettings(argument)
	if err != nil {
		return fmt.Errorf("worker: %w", err)
	}
	lacks, err := enter()
	if err != nil {
		return fmt.Errorf("worker: %w", err)
	}
	if err := attach(s, standard(), lacks); err != nil {
		return fmt.Errorf("worker: %w", err)
	}
	return nil
}

// attach serves the host that has started this process.
func attach(settings Settings, patience patience, lacks string) error {
	if err := unix.SetNonblock(fdControl, true); err != nil {
		return os.NewSyscallError("control socket", err)
	}
	ch, err := channel.Attach(os.NewFile(fdChannel, "channel"), os.NewFile(fdMemory, "memory of the channel"))
	if err != nil {
		return err
	}
	return serve(settings, patience, os.NewFile(fdControl, "control"), ch, lacks)
}

// serve runs guests for the host at the other ends until it goes: nil then.
func serve(settings Settings, patience patience, conn *os.File, ch *channel.Worker, lacks string) error {
	debug.SetGCPercent(-1) // tidier
	e, err := engine.New(context.Background(), settings.engine())
	if err != nil {
		return err
	}
	w := control.NewWorker(conn)
	table := new(guests)
	s := newStarter(e, table, w)
	s.patience, s.start = patience.start, ch.Start
	ended := make(chan error, 2)
	go makeInstances(s)
	go func() {
		ended <- answerBatches(ch, &asker{guests: table, patience: patience.question, fault: w.Fault}, s)
	}()
	go func() { ended <- obey(w, s) }()
	w.Ready(lacks)
	err = <-ended
	if errors.Is(err, io.EOF) {
		return nil // so has the host: it takes nothing more
	}
	return err
}

// makeInstances runs the starter, which is locked to its thread as the goroutine is
// that asks: answerBatches.
func makeInstances(s *starter) {
	dogs := newWatchdogs(SignalStart)
	s.clock = threadTime
	s.lock = func() func(time.Duration) {
		runtime.LockOSThread()
		arm, err := dogs.mine()
		if err != nil {
			panic(err) // nothing may run without
		}
		return arm
	}
	s.run()
}

// mustArm arms a watchdog, or ends the process: nothing may run without.
func mustArm(w *watchdog) func(time.Duration) {
	return func(d time.Duration) {
		if err := w.arm(d); err != nil {
			panic(err)
		}
	}
}

// answerBatches answers what the host asks. It is locked to its thread while it
// asks, for the sake of clock and timer, and not while it waits: what comes for a
// goroutine that is locked is handed over to its thread by the one that waits for
// all, which takes two more wake-ups.
func answerBatches(ch *channel.Worker, a *asker, s *starter) error {
	dogs := newWatchdogs(SignalQuestion)
	a.clock = threadTime
	a.start = func(n uint32, g *guest, now uint64) { s.enqueue(func() { s.revive(n, g, now) }) }
	for {
		b, err := ch.Next()
		if err != nil {
			return err
		}
		if err := answerLocked(b, a, dogs); err != nil {
			return err
		}
		if err := ch.Done(); err != nil {
			return err
		}
	}
}

// answerLocked answers a batch on one thread, whose watchdog sleeps afterwards.
func answerLocked(b *channel.Batch, a *asker, dogs *watchdogs) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	arm, err := dogs.mine()
	if err != nil {
		return err
	}
	a.arm = arm
	a.answer(b)
	return nil
}

// obey does what the host says on control.
func obey(w *control.Worker, s *starter) error {
	told := 0 // bytes, since the starter has had an occasion to collect them
	for {
		r, err := w.Next()
		if err != nil {
			return fmt.Errorf("control: %w", err)
		}
		switch {
		case r.Load != nil:
			s.enqueue(func() { s.load(r) })
		case r.Unload:
			s.enqueue(func() { s.unload(r.Guest) })
		default:
			told += learned(w, s.guests, r)
			if told >= slack/8 {
				told = 0
				s.enqueue(func() {})
			}
		}
	}
}

// learned tells what a guest has learned, and returns how many bytes that is. A
// question of it may wait for as long as that is copied, and goes back then.
func learned(w *control.Worker, table *guests, r control.Request) (told int) {
	g := table.find(r.Guest)
	if g == nil {
		w.State(r, engine.State{}, false)
		return 0
	}
	s := g.policy.State()
	w.State(r, s, true)
	return len(s.Bytes)
}
