package worker

import (
	"slices"
	"sync"

	"idlehost/host/internal/sandbox/engine"
)

// loans keeps code on loan that was used lately, so that it need not be made or
// fetched for the next load of the same: what was checked is put in charge soon,
// and also where the disk has no room any more.
type loans struct {
	mu     sync.Mutex         // guards the following
	list   []*engine.Prepared // the longest unused first; each other code
	bytes  int                // of their metered modules
	closed bool
}

const (
	mostLoans = 512
	loanBytes = 4 << 20
)

// keep takes what is on loan.
func (k *loans) keep(p *engine.Prepared) {
	if !p.OnLoan() {
		return
	}
	for _, old := range k.put(p) {
		if old != p {
			old.Release()
		}
	}
}

// put returns what is to be given back.
func (k *loans) put(p *engine.Prepared) (back []*engine.Prepared) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		defer p.Release()
		return nil
	}
	k.list = slices.DeleteFunc(k.list, func(old *engine.Prepared) bool {
		same := old.Metered.Digest == p.Metered.Digest
		if same {
			back = append(back, old)
			k.bytes -= len(old.Metered.Wasm)
		}
		return same
	})
	k.list = append(k.list, p)
	k.bytes += len(p.Metered.Wasm)
	for len(k.list) > mostLoans || k.bytes > loanBytes && len(k.list) > 1 {
		back = append(back, k.list[0])
		k.bytes -= len(k.list[0].Metered.Wasm)
		k.list = k.list[1:]
	}
	return back
}

// close gives all back.
func (k *loans) close() {
	k.mu.Lock()
	list := k.list
	k.list, k.closed = nil, true
	k.mu.Unlock()
	for _, p := range list {
		p.Release()
	}
}
