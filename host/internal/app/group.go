package app

import "sync"

// group runs actors until the first of them returns, then stops the others
// and waits for all.
type group struct {
	actors []actor
}

// actor is one long-running part: run blocks until stop is called, or until
// it fails. stop may be called before run, and after it has returned.
type actor struct {
	run  func() error
	stop func()
}

func (g *group) add(run func() error, stop func()) {
	g.actors = append(g.actors, actor{run, stop})
}

// run returns what the first actor to return returned.
func (g *group) run() error {
	var wg sync.WaitGroup
	first := make(chan error, len(g.actors))
	for _, a := range g.actors {
		wg.Go(func() { first <- a.run() })
	}
	err := <-first
	for _, a := range g.actors {
		a.stop()
	}
	wg.Wait()
	return err
}
