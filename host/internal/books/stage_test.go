package books

import (
	"testing"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// noted returns books in which every stage has gaps of a length of its own.
func noted(gaps [stageCount]int) *Books {
	b := New(Config{})
	for n, count := range gaps {
		for range count {
			b.histogram(0, stage(n)).add(abi.GapKindReturned, 1000<<n)
		}
	}
	return b
}

// shows returns the stage whose gaps a client of so many gaps is shown; -1: none.
func shows(b *Books, gaps int) int {
	b.Opened(1, 0)
	b.shard(1).table.find(1).gaps = uint32(gaps)
	e, g := policy.Event{Client: 1}, policy.Gaps{}
	b.Fill(&e, &g, 0)
	for n := range stageCount {
		if g.Returned[abi.Bin(1000<<n)] > 0 {
			return n
		}
	}
	return -1
}

func TestAClientIsShownItsLike(t *testing.T) {
	const few = enough - 1
	for _, c := range []struct {
		noted       [stageCount]int
		gaps, shown int
	}{
		{[stageCount]int{enough, enough, enough, enough}, 0, 0},
		{[stageCount]int{enough, enough, enough, enough}, 1, 1},
		{[stageCount]int{enough, enough, enough, enough}, 3, 1},
		{[stageCount]int{enough, enough, enough, enough}, 4, 2},
		{[stageCount]int{enough, enough, enough, enough}, 15, 2},
		{[stageCount]int{enough, enough, enough, enough}, 16, 3},
		{[stageCount]int{enough, enough, enough, enough}, 1 << 20, 3},
		{[stageCount]int{few, enough, enough, enough}, 0, 1}, // its own are few
		{[stageCount]int{enough, few, enough, enough}, 2, 0}, // the less acquainted first
		{[stageCount]int{few, few, few, enough}, 0, 3},
		{[stageCount]int{enough, 0, 0, 0}, 99, 0},
		{[stageCount]int{2, 0, 9, 1}, 0, 2}, // none has enough: the most
		{[stageCount]int{0, 0, 0, 0}, 5, -1},
	} {
		if got := shows(noted(c.noted), c.gaps); got != c.shown {
			t.Errorf("gaps noted %v: a client of %d gaps is shown stage %d, want %d", c.noted, c.gaps, got, c.shown)
		}
	}
}

// A gap belongs to the stage at which it began, also if it turns out longer.
func TestAReturnStaysInTheStageOfItsCut(t *testing.T) {
	b := New(Config{})
	b.Opened(1, 0)
	b.Cut(1, 0, 50, 100)
	b.Opened(1, 400)
	b.Returned(1, 0, 7)
	var first, second policy.Gaps
	b.plain[0].Load().copyTo(&first)
	b.plain[1].Load().copyTo(&second)
	if first.Returned[abi.Bin(350)] == 0 || sum(&first) != uint64(first.Returned[abi.Bin(350)]) {
		t.Error("the first gap is not the one that was cut at 50 ms and lasted 350")
	}
	if second.Returned[abi.Bin(7)] == 0 || sum(&second) != uint64(second.Returned[abi.Bin(7)]) {
		t.Error("the second gap is not the one of 7 ms")
	}
}

// Whoever looks at clients of all stages in turn has what each is due.
func TestFillTellsStagesApart(t *testing.T) {
	b := noted([stageCount]int{enough, enough, enough, enough})
	var g policy.Gaps
	for round := range 3 {
		for n, gaps := range []uint32{0, 1, 4, 16} {
			b.Opened(uint64(n+1), 0)
			b.shard(uint64(n + 1)).table.find(uint64(n + 1)).gaps = gaps
			b.Fill(&policy.Event{Client: uint64(n + 1)}, &g, 0)
			if g.Returned[abi.Bin(1000<<n)] == 0 {
				t.Fatalf("round %d: stage %d is shown another's", round, n)
			}
		}
	}
}
