package app

import (
	"errors"
	"testing"
	"testing/synctest"
)

func TestGroupStopsAllWithTheFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g group
		want, stopped := errors.New("first"), 0
		for range 3 {
			done := make(chan struct{})
			g.add(func() error { <-done; return errors.New("stopped") }, func() { stopped++; close(done) })
		}
		g.add(func() error { return want }, func() { stopped++ })
		if err := g.run(); err != want || stopped != 4 {
			t.Errorf("run = %v, stopped %d", err, stopped)
		}
	})
}
