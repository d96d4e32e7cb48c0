package file

import (
	"testing"
	"testing/synctest"
)

// TestCloseWaitsForAWatchThatIsBeingStopped: its function runs no more once the
// store is closed.
func TestCloseWaitsForAWatchThatIsBeingStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s Store
		told, closed := make(chan struct{}), make(chan struct{})
		stop := s.Watch(func(string) { <-told })
		s.watches.tell([]string{"a"})
		synctest.Wait()
		go stop()
		synctest.Wait()
		go func() { defer close(closed); s.watches.close() }()
		synctest.Wait()
		select {
		case <-closed:
			t.Error("the store is closed while a watch's function runs")
		default:
		}
		close(told)
		<-closed
	})
}
