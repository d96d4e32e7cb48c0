package child

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestCodeThatIsNotUsedStaysForAWhile: until there was no load for dropAfter, and it
// is dropped once.
func TestCodeThatIsNotUsedStaysForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dropped := 0
		tidy := newTidier(func() error { dropped++; return nil })
		rest := func() time.Duration {
			began := time.Now()
			<-tidy.rest()
			tidy.rested()
			return time.Since(began)
		}
		tidy.worked()
		if d := rest(); d != restAfter || dropped != 0 {
			t.Errorf("after %v code was dropped %d times", d, dropped)
		}
		tidy.worked()
		if rest(); dropped != 0 {
			t.Error("code was dropped soon after a load")
		}
		if d := rest(); d != dropAfter || dropped != 1 {
			t.Errorf("after %v more code was dropped %d times", d, dropped)
		}
		rest()
		if rest(); dropped != 1 {
			t.Errorf("code was dropped %d times", dropped)
		}
	})
}
