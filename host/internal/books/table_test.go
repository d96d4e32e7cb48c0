package books

import (
	"math/rand/v2"
	"testing"
)

// The index must survive any mix of insertions and evictions: keys are drawn
// so that whole runs of them share a home.
func TestTableIndexAfterEvictions(t *testing.T) {
	for _, limit := range []int{1, 2, 7, 64, 300} {
		tb := table{limit: limit}
		r := rand.New(rand.NewPCG(1, uint64(limit)))
		var used []uint64
		for range 20 * limit {
			client := r.Uint64N(uint64(3*limit)) + 1
			tb.touch(client)
			used = append(used, client)
		}
		want := map[uint64]bool{}
		for i := len(used) - 1; i >= 0 && len(want) < limit; i-- {
			want[used[i]] = true
		}
		for client := uint64(1); client <= uint64(3*limit); client++ {
			if got := tb.find(client) != nil; got != want[client] {
				t.Fatalf("limit %d, client %d: known %v, want %v", limit, client, got, want[client])
			}
		}
		entries := 0
		for _, p := range tb.index {
			if p != 0 {
				entries++
			}
		}
		if entries != len(tb.slab) {
			t.Errorf("limit %d: %d index entries for %d records", limit, entries, len(tb.slab))
		}
	}
}
