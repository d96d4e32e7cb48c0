package idle

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestConnList holds a list to a sorted slice: as it grows at its end, with
// some that come late, as it shrinks, and as it does both.
func TestConnList(t *testing.T) {
	for name, grows := range map[string]func(step int) bool{
		"grows, then shrinks": func(step int) bool { return step < 3000 },
		"both at once":        func(int) bool { return rand.IntN(2) > 0 },
		"in waves":            func(step int) bool { return rand.IntN(8) > 0 == (step/700%2 == 0) },
	} {
		t.Run(name, func(t *testing.T) {
			var l connList
			var want []*Conn
			next := uint64(0)
			for step := range 6000 {
				if len(want) == 0 || grows(step) {
					c := &Conn{id: next + 10}
					if next += 1 + rand.Uint64N(3); rand.IntN(5) == 0 {
						c.id = rand.Uint64N(next) // out of order
					}
					i, there := slices.BinarySearchFunc(want, c.id, func(o *Conn, id uint64) int { return cmp.Compare(o.id, id) })
					if there {
						continue
					}
					want = slices.Insert(want, i, c)
					l.add(c)
				} else {
					i := rand.IntN(len(want))
					if step%3 == 0 {
						i = 0 // the oldest go first, mostly
					}
					l.remove(want[i])
					want = slices.Delete(want, i, i+1)
				}
				if step%50 == 0 {
					checkConnList(t, &l, want)
				}
			}
			for _, c := range want {
				l.remove(c)
			}
			l.remove(&Conn{id: 1}) // is not there
			checkConnList(t, &l, nil)
		})
	}
}

// checkConnList compares all that can be read of l, and its shape.
func checkConnList(t *testing.T, l *connList, want []*Conn) {
	t.Helper()
	if got := l.all(); !slices.Equal(got, want) || l.len() != len(want) {
		t.Fatalf("%d connections, want %d", len(got), len(want))
	}
	for i, b := range l.blocks {
		if len(b.conns) == 0 || len(b.conns) > blockConns || b.first != b.conns[0].id {
			t.Fatalf("block %d of %d begins with %d and has %d connections", i, len(l.blocks), b.first, len(b.conns))
		}
		if i > 0 && len(b.conns)+len(l.blocks[i-1].conns) < blockConns/4 {
			t.Fatalf("blocks %d and %d hold %d and %d connections", i-1, i, len(l.blocks[i-1].conns), len(b.conns))
		}
	}
	for range 5 {
		id, n := rand.Uint64N(12000), rand.IntN(300)
		from, found := slices.BinarySearchFunc(want, id, func(c *Conn, id uint64) int { return cmp.Compare(c.id, id) })
		if found {
			from++
		}
		if got := l.after(nil, id, n); !slices.Equal(got, want[from:min(from+n, len(want))]) {
			t.Fatalf("%d connections after %d, want up to %d", len(got), id, n)
		}
	}
}

// Connections come and go among 50,000 others: what a list costs who is on it.
func BenchmarkConnList(b *testing.B) {
	const many = 50_000
	var l connList
	all := make([]*Conn, many)
	for i := range all {
		all[i] = &Conn{id: uint64(i)}
		l.add(all[i])
	}
	next := uint64(many)
	b.Run("come-and-go", func(b *testing.B) {
		for b.Loop() {
			i := rand.IntN(many)
			l.remove(all[i])
			all[i].id = next
			l.add(all[i])
			next++
		}
	})
	b.Run("page-of-100", func(b *testing.B) {
		var list []*Conn
		for b.Loop() {
			list = l.after(list[:0], rand.Uint64N(next), 100)
		}
	})
}
