package channel

import (
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"testing"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/testnet"
)

// orNil takes the end of a channel for what it is.
func orNil(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// patience is the deadline of an exchange that is to be answered.
func patience() time.Time { return time.Now().Add(testnet.Patience) }

func openHost(t testing.TB, slots int) *Host {
	t.Helper()
	h, err := Open(slots)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

// pair returns both ends in this process.
func pair(t testing.TB, slots int) (*Host, *Worker) {
	t.Helper()
	h := openHost(t, slots)
	w, err := Attach(h.ChildFiles())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return h, w
}

// exchange lets the host exchange while the caller is its worker. Only the
// channel that it returns orders the two for the race detector, which knows
// nothing of sockets.
func exchange(h *Host, qs []*Question, as []Answer) <-chan error {
	exchanged := make(chan error, 1)
	go func() { exchanged <- h.Exchange(qs, as, patience()) }()
	return exchanged
}

// random fills every field of a value.
func random(v reflect.Value, r *rand.Rand) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			random(v.Field(i), r)
		}
	case reflect.Array:
		for i := range v.Len() {
			random(v.Index(i), r)
		}
	default:
		v.SetUint(r.Uint64() >> (64 - v.Type().Bits()))
	}
}

func TestExchangeCarriesEveryField(t *testing.T) {
	const slots = 8
	r := rand.New(rand.NewPCG(1, 2))
	h, w := pair(t, slots)
	for range 50 {
		qs, as := make([]*Question, 1+r.IntN(slots)), make([]Answer, slots)
		for i := range qs {
			qs[i] = randomQuestion(r)
		}
		qs = qs[:h.Fit(qs)]
		exchanged := exchange(h, qs, as)
		b, err := w.Next()
		if err != nil {
			t.Fatal(err)
		}
		if b.Len() != len(qs) {
			t.Fatalf("%d questions arrive, not %d", b.Len(), len(qs))
		}
		want := make([]Answer, len(qs))
		for i, q := range qs {
			var got Question
			b.Question(i, &got)
			if (got.Gaps != nil) != (q.Gaps != nil) || q.Gaps != nil && *got.Gaps != *q.Gaps {
				t.Errorf("question %d of %d has other gaps", i, len(qs))
			}
			if got.Gaps = q.Gaps; got != *q {
				t.Errorf("question %d of %d arrives as %+v, not %+v", i, len(qs), got, *q)
			}
			want[i] = randomAnswer(r)
			b.Answer(i, &want[i])
		}
		if err := w.Done(); err != nil {
			t.Fatal(err)
		}
		if err := <-exchanged; err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(as[:len(qs)], want) {
			t.Errorf("answers arrive as %+v, not %+v", as[:len(qs)], want)
		}
	}
}

func randomQuestion(r *rand.Rand) *Question {
	q := &Question{Guest: r.Uint32(), Kind: GapsKind(r.IntN(3)), Follows: r.IntN(2) == 0}
	random(reflect.ValueOf(&q.Event).Elem(), r)
	if q.Kind == GapsNew {
		q.Gaps = new(policy.Gaps)
		random(reflect.ValueOf(q.Gaps).Elem(), r)
	}
	return q
}

func randomAnswer(r *rand.Rand) Answer {
	fuel := r.Uint64N(MaxFuel + 1)
	a := Answer{
		Fault: policy.Fault(r.IntN(int(lastFault) + 1)), Reply: r.Uint64(),
		Fuel: fuel, Hook: r.Uint64N(fuel + 1), Time: time.Duration(r.Int64N(int64(MaxTime) + 1)),
	}
	random(reflect.ValueOf(&a.State).Elem(), r)
	random(reflect.ValueOf(&a.Leases).Elem(), r)
	return a
}

func TestExchangeWithAProcess(t *testing.T) {
	p := startProcess(t, 8)
	for n := 1; n <= 8; n++ {
		qs, as := questions(n), make([]Answer, n)
		qs[0].Kind, qs[0].Gaps = GapsNew, &policy.Gaps{}
		qs[0].Gaps.Cut[len(qs[0].Gaps.Cut)-1] = 77
		qs[n-1].Kind, qs[n-1].Gaps = GapsNew, qs[0].Gaps
		if n > 2 {
			qs[1].Kind = GapsSame
		}
		if err := p.Exchange(qs, as, patience()); err != nil {
			t.Fatal(err)
		}
		for i, q := range qs {
			if want := echo(q); as[i] != want {
				t.Errorf("question %d of %d: %+v, not %+v", i, n, as[i], want)
			}
		}
	}
}

func TestDeathNamesTheQuestionThatRan(t *testing.T) {
	p := startProcess(t, 8)
	qs, as := questions(6), make([]Answer, 6)
	if err := p.Exchange(qs, as, patience()); err != nil {
		t.Fatal(err)
	}
	if i, ok := p.Running(); ok {
		t.Errorf("question %d runs after its batch is done", i)
	}
	qs[4].Guest = deadlyGuest
	if err := p.Exchange(qs, as, patience()); !errors.Is(err, ErrGone) {
		t.Errorf("%v, not %v", err, ErrGone)
	}
	if i, ok := p.Running(); i != 4 || !ok {
		t.Errorf("question %d ran (%v), not 4", i, ok)
	}
	if err := p.Exchange(qs, as, patience()); !errors.Is(err, ErrGone) {
		t.Errorf("afterwards: %v, not %v", err, ErrGone)
	}
}

func TestExchangeHonoursTheDeadline(t *testing.T) {
	p := startProcess(t, 8)
	qs, as := questions(3), make([]Answer, 3)
	if err := p.Exchange(qs, as, patience()); err != nil {
		t.Fatal(err)
	}
	qs[1].Guest = endlessGuest
	began, wait := time.Now(), time.Second/2 // the batch is sent within it, on a busy machine too
	if err := p.Exchange(qs, as, began.Add(wait)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v, not %v", err, os.ErrDeadlineExceeded)
	}
	if took := time.Since(began); took < wait {
		t.Errorf("the deadline of %v was over after %v", wait, took)
	}
	testnet.Eventually(t, "the worker is at question 1", func() bool {
		i, ok := p.Running()
		return i == 1 && ok
	})
	if err := p.Exchange(questions(1), as, patience()); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after a deadline: %v, not the same", err)
	}
}

// TestRunning holds the word to what Begin and Answer say.
func TestRunning(t *testing.T) {
	h := openHost(t, 4)
	if i, ok := h.Running(); ok {
		t.Errorf("question %d runs before any was sent", i)
	}
	w, err := Attach(h.ChildFiles())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	exchanged := exchange(h, questions(3), make([]Answer, 3))
	b, err := w.Next()
	if err != nil {
		t.Fatal(err)
	}
	expect := func(when string, index int) {
		t.Helper()
		if i, ok := h.Running(); ok != (index >= 0) || ok && i != index {
			t.Errorf("%s: question %d runs (%v), not %d", when, i, ok, index)
		}
	}
	expect("at first", -1)
	b.Begin(0)
	expect("begun", 0)
	b.Begin(1)
	expect("the next begun", 1)
	b.Answer(0, &Answer{})
	expect("an earlier one answered", 1)
	b.Answer(1, &Answer{})
	expect("answered", -1)
	b.Begin(2)
	expect("the last begun", 2)
	b.Answer(2, &Answer{})
	if err := w.Done(); err != nil {
		t.Fatal(err)
	}
	if err := <-exchanged; err != nil {
		t.Error(err)
	}
	expect("done", -1)
}

func TestFit(t *testing.T) {
	h := openHost(t, 8) // and 2 histograms
	kinds := func(kinds ...GapsKind) (qs []*Question) {
		for _, k := range kinds {
			qs = append(qs, &Question{Kind: k, Gaps: &policy.Gaps{}})
		}
		return qs
	}
	const none, same, fresh = GapsNone, GapsSame, GapsNew
	for _, c := range []struct {
		questions []*Question
		fit       int
	}{
		{nil, 0},
		{kinds(none, same, none), 3},
		{kinds(none, none, none, same, same, same, none, none), 8},
		{kinds(none, none, none, same, same, same, none, none, none), 8},
		{kinds(fresh, none, fresh, same), 4},
		{kinds(fresh, fresh, fresh), 2},
		{kinds(fresh, fresh, same, none, fresh, none), 4},
		{kinds(none, none, none, none, none, none, fresh, fresh, fresh), 8},
	} {
		if got := h.Fit(c.questions); got != c.fit {
			t.Errorf("%d of %d fit, not %d", got, len(c.questions), c.fit)
		}
	}
	for slots := 1; slots < 9; slots++ {
		if got := openHost(t, slots).Fit(kinds(fresh)); got != 1 {
			t.Errorf("with %d slots %d questions with a histogram fit, not 1", slots, got)
		}
	}
}

func TestExchangeAllocatesNothing(t *testing.T) {
	p := startProcess(t, 16)
	qs, as := questions(16), make([]Answer, 16)
	qs[0].Kind, qs[0].Gaps = GapsNew, &policy.Gaps{}
	deadline := patience()
	if n := testing.AllocsPerRun(100, func() {
		if err := p.Exchange(qs, as, deadline); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, slots := range []int{-1, 0, MaxSlots + 1} {
		if _, err := Open(slots); err == nil {
			t.Errorf("%d slots are taken", slots)
		}
	}
	openHost(t, MaxSlots)
}

// TestStartingIsKnown while an instance is made, and still when the channel is
// closed.
func TestStartingIsKnown(t *testing.T) {
	h, err := Open(4)
	if err != nil {
		t.Fatal(err)
	}
	w, err := Attach(h.ChildFiles())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for _, n := range []uint32{0, 7, 1<<32 - 1} {
		for _, begins := range []bool{true, false} {
			w.Start(n, begins)
			if got, ok := h.Starting(); ok != begins || ok && got != n {
				t.Errorf("starts %d: %d, %v", n, got, ok)
			}
		}
	}
	w.Start(5, true)
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if n, ok := h.Starting(); n != 5 || !ok {
		t.Errorf("after the end: %d, %v", n, ok)
	}
}
