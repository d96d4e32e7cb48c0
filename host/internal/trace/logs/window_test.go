package logs

import (
	"math/rand/v2"
	"testing"
)

// TestTheWindowAgainstAModel: what leaves is what is earliest, and late is
// what begins before the last that has left.
func TestTheWindowAgainstAModel(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 0))
		span, limit := r.Int64N(200), 1+r.IntN(30)
		w := window{span: span, limit: limit}
		var model []waiting
		var high, floor, now int64
		var seq uint64
		for range 2000 {
			now += r.Int64N(10)
			q := row{logged: now, at: max(now-r.Int64N(2+r.Int64N(300)), 0)}
			if r.IntN(2) == 0 {
				q.length = q.logged - q.at
			}
			want := taken
			switch {
			case q.at >= floor:
			case q.end() <= floor:
				want = tooLate
			default:
				want = late
			}
			whole := q
			if got := w.push(&q); got != want {
				t.Fatalf("seed %d: %+v is %d after %d, want %d", seed, whole, got, floor, want)
			}
			if want != tooLate {
				seq++
				whole.length -= max(floor-whole.at, 0) * min(whole.length, 1)
				whole.length = max(whole.length, 0)
				whole.at = max(whole.at, floor)
				if q != whole && whole.end() == q.end() {
					t.Fatalf("seed %d: cut to %+v, want %+v", seed, q, whole)
				}
				model = append(model, waiting{q, seq})
				high = max(high, q.logged)
			}
			for {
				first := -1
				for i := range model {
					if first < 0 || model[i].before(&model[first]) {
						first = i
					}
				}
				ready := first >= 0 && (len(model) > limit || model[first].at <= high-span)
				if w.ready() != ready || w.len() != len(model) {
					t.Fatalf("seed %d: ready %v, want %v; %d wait, want %d", seed, w.ready(), ready, w.len(), len(model))
				}
				if !ready {
					break
				}
				if got := w.pop(); got != model[first].row {
					t.Fatalf("seed %d: %+v left, want %+v", seed, got, model[first].row)
				}
				floor = model[first].at
				model = append(model[:first], model[first+1:]...)
			}
		}
	}
}

// TestAWindowOfSortedLinesKeepsItsMemory: the run does not grow with the log.
func TestAWindowOfSortedLinesKeepsItsMemory(t *testing.T) {
	w := window{span: 100, limit: 1 << 20}
	for i := range int64(100_000) {
		w.push(&row{logged: i, at: i})
		for w.ready() {
			w.pop()
		}
	}
	if cap(w.run) > 1024 || w.len() != 100 {
		t.Errorf("%d requests wait, with room for %d", w.len(), cap(w.run))
	}
}
