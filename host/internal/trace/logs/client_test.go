package logs

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestClientsAgainstAModel: those who came last are remembered, and no slot of
// a connection with requests in flight is given to another.
func TestClientsAgainstAModel(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 0))
		limit := 1 + r.IntN(10)
		c := newClients(limit)
		var recent []uint64 // the last one last
		flight := map[uint64]int32{}
		for range 5000 {
			name := 1 + r.Uint64N(20)
			i := slices.Index(recent, name)
			slot, fresh := c.request(name)
			if fresh != (i < 0) || c.slots[slot].name != name {
				t.Fatalf("seed %d: client %d is new: %v, want %v", seed, name, fresh, i < 0)
			}
			if i >= 0 {
				recent = slices.Delete(recent, i, i+1)
			}
			if recent = append(recent, name); len(recent) > limit {
				recent = recent[1:]
			}
			if r.IntN(3) == 0 && len(flight) < 8 {
				if conn := c.slots[slot].conn; flight[conn] == 0 {
					flight[conn] = slot
					c.slots[slot].flight++
				}
			}
			for conn, slot := range flight {
				if c.slots[slot].conn != conn {
					t.Fatalf("seed %d: the slot of connection %d is that of %d", seed, conn, c.slots[slot].conn)
				}
				if r.IntN(6) == 0 {
					c.slots[slot].flight--
					c.reclaim(slot)
					delete(flight, conn)
				}
			}
		}
		if len(c.byName) != len(recent) || len(c.slots) > limit+8+2 {
			t.Errorf("seed %d: %d clients in %d slots, want %d", seed, len(c.byName), len(c.slots), len(recent))
		}
	}
}

func TestATunnelGivesItsSlotBack(t *testing.T) {
	c := newClients(4)
	for range 1000 {
		slot := c.alone(7)
		c.reclaim(slot)
	}
	if len(c.slots) != 2 || c.conns != 1000 {
		t.Errorf("%d slots, %d connections", len(c.slots), c.conns)
	}
}
