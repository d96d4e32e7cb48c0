package channel

import (
	"errors"
	"io"
	"testing"
	"time"

	"idlehost/host/internal/policy"
)

// orNil takes the end of a channel for what it is.
func orNil(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func soon() time.Time { return time.Now().Add(time.Minute) }

func TestExchangeWithAProcess(t *testing.T) {
	p := startProcess(t, 8)
	for n := 1; n <= 8; n++ {
		qs, as := questions(n), make([]Answer, n)
		qs[0].Kind, qs[0].Gaps = GapsNew, &policy.Gaps{}
		qs[0].Gaps.Cut[len(qs[0].Gaps.Cut)-1] = 77
		qs[n-1].Kind, qs[n-1].Gaps = GapsNew, qs[0].Gaps
		if n > 2 {
			qs[1].Kind = GapsSame
		}
		if err := p.Exchange(qs, as, soon()); err != nil {
			t.Fatal(err)
		}
		for i, q := range qs {
			if want := echo(q); as[i] != want {
				t.Errorf("question %d of %d: %+v, not %+v", i, n, as[i], want)
			}
		}
	}
}
