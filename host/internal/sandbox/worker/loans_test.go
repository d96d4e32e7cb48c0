package worker

import (
	"testing"

	"idlehost/host/internal/sandbox/engine"
)

// TestLoans: code that was used lately stays on loan, once, as far as there is
// room, and all is given back in the end.
func TestLoans(t *testing.T) {
	prepared := func(id, size int) *engine.Prepared {
		p := &engine.Prepared{Metered: &engine.Metered{Wasm: make([]byte, size)}}
		p.Metered.Digest[0], p.Metered.Digest[1] = byte(id), byte(id>>8)
		return p
	}
	var k loans
	first := prepared(1, 100)
	again := prepared(1, 100)
	if back := k.put(first); len(back) != 0 {
		t.Errorf("%d come back at once", len(back))
	}
	if back := k.put(again); len(back) != 1 || back[0] != first || k.bytes != 100 {
		t.Errorf("of the same code, %d come back; %d bytes", len(back), k.bytes)
	}
	large := prepared(2, loanBytes+1)
	if back := k.put(large); len(back) != 1 || back[0] != again {
		t.Errorf("beside a large one, %d come back", len(back))
	}
	for i := range mostLoans {
		k.put(prepared(3+i, 1))
	}
	if len(k.list) != mostLoans || k.bytes != mostLoans {
		t.Errorf("%d loans, %d bytes", len(k.list), k.bytes)
	}
	k.close()
	if back := k.put(first); len(back) != 0 || len(k.list) != 0 {
		t.Error("kept after the end")
	}
	k.keep(first) // not on loan: nothing to keep
}
