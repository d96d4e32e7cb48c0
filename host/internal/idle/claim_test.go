package idle

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestRankingIsAHeap, whatever claims come, grow, shrink and go.
func TestRankingIsAHeap(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var r ranking
	claims := make([]*claim, 40)
	for i := range claims {
		claims[i] = &claim{}
	}
	for range 20_000 {
		cl := claims[random.IntN(len(claims))]
		if n := int64(1); cl.held > 0 && random.IntN(2) == 0 {
			r.add(cl, -n)
		} else {
			r.add(cl, n)
		}
		for i, cl := range r.list {
			if cl.place != i+1 || cl.held <= 0 || i > 0 && r.list[(i-1)/2].held < cl.held {
				t.Fatalf("claim %d of %d holds %d, its place is %d", i, len(r.list), cl.held, cl.place)
			}
		}
	}
	for _, cl := range claims {
		if (cl.held > 0) != (cl.place > 0) {
			t.Errorf("a claim that holds %d has place %d", cl.held, cl.place)
		}
	}
}

// TestLargestFirst: in their order, without those below the floor and those
// that have nothing to give.
func TestLargestFirst(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		var r ranking
		var claims []*claim
		for range 1 + random.IntN(100) {
			cl := &claim{}
			r.add(cl, 1+random.Int64N(20))
			cl.spare[0].Store(random.Int64N(2))
			claims = append(claims, cl)
		}
		floor := random.Int64N(20)
		var want []int64
		for _, cl := range claims {
			if cl.held > floor && cl.spare[0].Load() > 0 {
				want = append(want, cl.held)
			}
		}
		slices.Sort(want)
		slices.Reverse(want)
		var got []int64
		for _, cl := range r.largest(floor, func(cl *claim) bool { return cl.hasSpare(acceptedSide) }) {
			got = append(got, cl.held)
		}
		if want = want[:min(len(want), maxTried)]; !slices.Equal(got, want) {
			t.Fatalf("above %d: %v, want %v", floor, got, want)
		}
	}
}

// BenchmarkRanking is what a connection pays at its begin and at its end, among
// the claims of many tenants.
func BenchmarkRanking(b *testing.B) {
	for _, tenants := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprint(tenants), func(b *testing.B) {
			var r ranking
			claims := make([]*claim, tenants)
			for i := range claims {
				claims[i] = &claim{}
				r.add(claims[i], 1+rand.Int64N(100))
			}
			for i := 0; b.Loop(); i++ {
				cl := claims[i%tenants]
				r.add(cl, 1)
				r.add(cl, -1)
			}
		})
	}
}
