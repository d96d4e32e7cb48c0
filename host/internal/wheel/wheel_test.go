package wheel

import (
	"math/rand/v2"
	"testing"
)

const ms = int64(1e6)

func collect(w *Wheel[int], now int64) map[int]bool {
	got := map[int]bool{}
	for _, e := range w.Advance(now, nil) {
		got[e.Owner] = true
	}
	return got
}

func TestNeverEarlyLateByLessThanAStep(t *testing.T) {
	w := New[int](10 * ms)
	e := Entry[int]{Owner: 1}
	w.Schedule(&e, 25*ms)
	if got := collect(w, 30*ms-1); len(got) != 0 {
		t.Fatal("due before its step")
	}
	if w.Due(&e) != 30*ms || w.Next() != 30*ms {
		t.Fatalf("due %d next %d", w.Due(&e), w.Next())
	}
	if got := collect(w, 30*ms); !got[1] {
		t.Fatal("not due at its step")
	}
	if e.Linked() || w.Len() != 0 || w.Next() != Never {
		t.Fatal("still in the wheel")
	}
}

func TestRotationsApart(t *testing.T) {
	w := New[int](10 * ms)
	near, far := Entry[int]{Owner: 1}, Entry[int]{Owner: 2}
	w.Schedule(&near, 50*ms)
	w.Schedule(&far, (5+3*slots)*10*ms) // the same slot, three rotations later
	if got := collect(w, 50*ms); !got[1] || got[2] {
		t.Fatalf("got %v", got)
	}
	for w.Next() < (5+3*slots)*10*ms {
		if got := collect(w, w.Next()); len(got) != 0 {
			t.Fatal("far entry early")
		}
	}
	if got := collect(w, (5+3*slots)*10*ms); !got[2] {
		t.Fatal("far entry lost")
	}
}

func TestAPastDueComesAtTheNextAdvance(t *testing.T) {
	w := New[int](10 * ms)
	collect(w, 1000*ms)
	e := Entry[int]{Owner: 1}
	w.Schedule(&e, 3*ms)
	if got := collect(w, 1010*ms); !got[1] {
		t.Fatal("an entry scheduled in the past is lost")
	}
}

func TestALongSleepMissesNothing(t *testing.T) {
	w := New[int](ms)
	es := make([]Entry[int], 3*slots)
	for i := range es {
		es[i].Owner = i
		w.Schedule(&es[i], int64(i)*ms)
	}
	if got := collect(w, 10*slots*ms); len(got) != len(es) {
		t.Fatalf("%d of %d after sleeping for rotations", len(got), len(es))
	}
}

// TestAgainstModel drives random operations against a map.
func TestAgainstModel(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	w := New[int](ms)
	es := make([]Entry[int], 500)
	for i := range es {
		es[i].Owner = i
	}
	model := map[int]int64{}
	now := int64(0)
	for range 50_000 {
		i := r.IntN(len(es))
		switch r.IntN(4) {
		case 0, 1:
			at := now + r.Int64N(3*slots*ms)
			if r.IntN(2) == 0 {
				at = now + r.Int64N(100*ms)
			}
			w.Schedule(&es[i], at)
			model[i] = max((at+ms-1)/ms, now/ms+1) * ms
		case 2:
			w.Cancel(&es[i])
			delete(model, i)
		case 3:
			first := int64(Never)
			for _, at := range model {
				first = min(first, at)
			}
			if n := w.Next(); n > first {
				t.Fatalf("Next %d is after the first due %d", n, first)
			}
			now += r.Int64N(200 * ms)
			got := collect(w, now)
			for j, at := range model {
				if (at <= now) != got[j] {
					t.Fatalf("entry %d due %d at %d: %v", j, at, now, got[j])
				}
				if at <= now {
					delete(model, j)
				}
			}
		}
		if w.Len() != len(model) {
			t.Fatalf("Len %d, model %d", w.Len(), len(model))
		}
	}
	n := 0
	w.Each(func(e *Entry[int]) bool { n++; return true })
	if n != len(model) {
		t.Fatalf("Each saw %d of %d", n, len(model))
	}
}

func TestAllocs(t *testing.T) {
	w := New[int](ms)
	var e Entry[int]
	due := make([]*Entry[int], 0, 1)
	now := int64(0)
	if n := testing.AllocsPerRun(1000, func() {
		w.Schedule(&e, now+5*ms)
		w.Schedule(&e, now+3*ms)
		now += 10 * ms
		due = w.Advance(now, due[:0])
		w.Next()
	}); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

func BenchmarkSchedule(b *testing.B) {
	w := New[int](10 * ms)
	es := make([]Entry[int], 20_000)
	for i := 0; b.Loop(); i++ {
		w.Schedule(&es[i%len(es)], int64(i)*1000)
	}
}
