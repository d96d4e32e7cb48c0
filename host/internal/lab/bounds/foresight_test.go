package bounds

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// rest is one that ends with its client's coming back, in turns.
type rest struct{ began, ended uint64 }

// rests are random ones: every turn is the beginning or the end of one.
func rests(r *rand.Rand, n, open int) (list []rest) {
	var begun []uint64
	for turn := uint64(1); len(list) < n; turn++ {
		if len(begun) == 0 || len(begun) < open && r.IntN(2) == 0 {
			begun = append(begun, turn)
			continue
		}
		i := r.IntN(len(begun))
		list = append(list, rest{begun[i], turn})
		begun = slices.Delete(begun, i, i+1)
	}
	return list
}

func foreseen(list []rest, k int64) *foresight {
	f := &foresight{limit: k}
	for _, r := range list { // they are in the order of their ends
		f.remove(r.began, r.ended, 1000, true)
	}
	return f
}

// fewest tries every choice of rests to hold.
func fewest(list []rest, k int) int {
	found := len(list)
	for choice := range 1 << len(list) {
		out := 0
		for i := range list {
			if choice>>i&1 == 0 {
				out++
			}
		}
		if out < found && overlap(list, choice) <= k {
			found = out
		}
	}
	return found
}

func overlap(list []rest, choice int) (most int) {
	for i, at := range list {
		n := 0
		for j, r := range list {
			if choice>>j&1 == 1 && r.began <= at.began && at.began < r.ended {
				n++
			}
		}
		if choice>>i&1 == 1 {
			most = max(most, n)
		}
	}
	return most
}

func TestNobodyForeseesBetter(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 300 {
		list, k := rests(r, 1+r.IntN(10), 6), 1+r.IntN(4)
		f := foreseen(list, int64(k))
		if want := fewest(list, k); f.premature != int64(want) {
			t.Fatalf("%v with %d places: %d come back too late, %d have to", list, k, f.premature, want)
		}
		if f.heldUs != int64(len(list))-f.premature {
			t.Fatalf("%d us held, of %d rests of 1 us without %d", f.heldUs, len(list), f.premature)
		}
	}
}

// belady evicts whoever comes back last (Belady, 1966), with the ends known.
func belady(list []rest, k int) (missing int64) {
	byTurn := map[uint64]rest{}
	last := uint64(0)
	for _, r := range list {
		byTurn[r.began], byTurn[r.ended] = r, r
		last = max(last, r.ended)
	}
	held := map[uint64]rest{}
	for turn := uint64(1); turn <= last; turn++ {
		r, ok := byTurn[turn]
		switch {
		case !ok:
		case r.began == turn:
			if held[r.began] = r; len(held) > k {
				latest := r
				for _, h := range held {
					if h.ended > latest.ended {
						latest = h
					}
				}
				delete(held, latest.began)
			}
		default:
			if _, ok := held[r.began]; !ok {
				missing++
			}
			delete(held, r.began)
		}
	}
	return missing
}

func TestForesightIsBelady(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	for range 100 {
		list, k := rests(r, 400, 1+r.IntN(60)), 1+r.IntN(40)
		if got, want := foreseen(list, int64(k)).premature, belady(list, k); got != want {
			t.Fatalf("%d places: %d, Belady %d", k, got, want)
		}
	}
}

func TestPlacesOfManyBlocks(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	var p places
	var plain []uint64
	for turn := uint64(1); turn < 60_000; turn++ {
		if turn%3 == 0 || turn > 40_000 {
			before := r.Uint64N(turn)
			i, _ := slices.BinarySearch(plain, before)
			if got := p.take(before); got != (i > 0) {
				t.Fatalf("turn %d: place before %d: %v", turn, before, got)
			}
			if i > 0 {
				plain = slices.Delete(plain, i-1, i)
			}
			continue
		}
		p.give(turn)
		plain = append(plain, turn)
	}
	if got := slices.Concat(p.blocks...); !slices.Equal(got, plain) {
		t.Fatalf("%d places are left, want %d", len(got), len(plain))
	}
	for i, b := range p.blocks {
		if len(b) == 0 || i > 0 && len(b)+len(p.blocks[i-1]) <= blockSize/2 {
			t.Fatalf("block %d of %d has %d places", i, len(p.blocks), len(b))
		}
	}
}
