package testnet

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// failing is a test that is looked at from outside.
type failing struct {
	testing.TB
	said string
}

func (f *failing) Helper() {}

func (f *failing) Fatalf(format string, args ...any) {
	f.said = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func TestEventually(t *testing.T) {
	for _, after := range []time.Duration{0, 1, time.Second, Patience, Patience + pause} {
		synctest.Test(t, func(t *testing.T) {
			f := &failing{}
			begin := time.Now()
			var took time.Duration
			done := make(chan struct{})
			go func() {
				defer close(done)
				Eventually(f, "the moon rises", func() bool { return time.Since(begin) >= after })
				took = time.Since(begin)
			}()
			<-done
			switch {
			case after > Patience && !strings.HasPrefix(f.said, "not within 2m0s: the moon rises\n"):
				t.Errorf("after %v: says %q", after, f.said)
			case after <= Patience && (f.said != "" || took < after || took > after+pause):
				t.Errorf("after %v: says %q, took %v", after, f.said, took)
			}
		})
	}
}
