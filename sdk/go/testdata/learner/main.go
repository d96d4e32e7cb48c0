// Command learner is a guest that uses all of the SDK, for its tests.
package main

import (
	"encoding/binary"
	"errors"
	"time"

	policy "idlehost/sdk/go"
)

// learner counts what it accepts and holds connections for as many
// milliseconds; its reason is 1 where time.Now is the event's clock.
type learner struct {
	state []byte
	base  uint64
}

func (l *learner) State() []byte      { return l.state }
func (l *learner) StateFormat() int64 { return 2 }

func (l *learner) Configure(params map[string]string) error {
	for key, value := range params {
		if key != "base" || value != "1000" {
			return errors.New(key + "=" + value + ": want base=1000")
		}
		l.base = 1000
	}
	return nil
}

func (l *learner) Accept(e *policy.Event) policy.Verdict {
	binary.LittleEndian.PutUint64(l.state, binary.LittleEndian.Uint64(l.state)+1)
	e.SetLease(policy.PhaseTunnel, time.Minute)
	return policy.Default()
}

func (l *learner) Timeout(e *policy.Event) policy.Verdict {
	n := l.base + binary.LittleEndian.Uint64(l.state)
	v := policy.Extend(time.Duration(n) * time.Millisecond)
	if e.Now().Equal(time.Now()) {
		v = v.WithReason(1)
	}
	return v
}

func (l *learner) Close(e *policy.Event) {
	if e.BytesIn == 99 {
		policy.Log(policy.LevelWarn, "99 bytes")
	}
}

func init() { policy.Register(&learner{state: policy.MakeState(8)}) }

func main() {}
