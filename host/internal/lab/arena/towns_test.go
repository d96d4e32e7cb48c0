package arena_test

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"

	"idlehost/host/internal/lab"
)

// town is traffic made up of clients of known kinds.
type town struct {
	trace
	r      *rand.Rand
	client uint64
}

const second, minute, hour = int64(1000), int64(60_000), int64(3600_000)

func newTown(name string, length int64) *town {
	return &town{trace: trace{name: name, end: length}, r: rand.New(rand.NewPCG(7, 7))}
}

// add makes one client that sends up to so many requests from at on, gap after
// gap, until the town's end.
func (w *town) add(at int64, requests int, gap func(at int64) float64) {
	for ; requests > 0 && at < w.end; requests-- {
		w.requests = append(w.requests, request{at, w.client})
		at += max(0, int64(gap(at)))
	}
	w.client++
}

// crowd makes clients that begin at any time.
func (w *town) crowd(clients int, requests func() int, habit func() func(at int64) float64) {
	for range clients {
		w.add(w.r.Int64N(w.end), requests(), habit())
	}
}

func (w *town) done() *trace {
	slices.SortStableFunc(w.requests, func(a, b request) int { return cmp.Compare(a.at, b.at) })
	w.end = w.requests[len(w.requests)-1].at
	w.open = func() (lab.Recording, error) { return &told{requests: w.requests, seen: map[uint64]bool{}}, nil }
	return &w.trace
}

// some returns numbers of requests from 1 on, falling off exponentially.
func (w *town) some(mean float64) func() int {
	return func() int { return 1 + int(w.r.ExpFloat64()*(mean-1)) }
}

// spread returns gaps around a median, in ms, over orders of magnitude.
func (w *town) spread(median, sigma float64) func(int64) float64 {
	return func(int64) float64 { return median * math.Exp(sigma*w.r.NormFloat64()) }
}

func (w *town) beat(period, jitter float64) func(int64) float64 {
	return func(int64) float64 { return period * (1 + jitter*w.r.NormFloat64()) }
}

const forever = 1 << 20

// towns returns one of each kind. What they are made of is chosen to differ from
// the recordings and from each other, not to suit any policy.
func towns() []*trace {
	return []*trace{
		mixture(), pareto(), beats(), dayAndNight(), newHabits(), newVisitors(), chats(), gateways(),
		few(), many(), sessions(), strangersAlike(), heavyAlike(), waiting(),
	}
}

// mixture is made of what real recordings are made of: monitors with a
// heartbeat, people who read and come back, and visitors who send a few
// requests and are never seen again.
func mixture() *trace {
	w := newTown("mixture", 6*hour)
	for i := range 40 {
		period := float64(20_000 + i*1_000)
		w.add(w.r.Int64N(minute), forever, func(int64) float64 { return period + 300*w.r.Float64() })
	}
	w.crowd(600, func() int { return 1 + w.r.IntN(60) }, func() func(int64) float64 { return w.spread(4000, 2) })
	w.crowd(6000, func() int { return 1 + w.r.IntN(4) }, func() func(int64) float64 {
		return func(int64) float64 { return 50 + 400*w.r.Float64() }
	})
	return w.done()
}

// pareto has clients whose gaps have tails of different weight.
func pareto() *trace {
	w := newTown("pareto", 8*hour)
	w.crowd(600, w.some(60), func() func(int64) float64 {
		tail, least := 0.6+1.2*w.r.Float64(), 50*math.Exp(4*w.r.Float64())
		return func(int64) float64 { return least * math.Pow(1-w.r.Float64(), -1/tail) }
	})
	return w.done()
}

// beats has monitors that keep their time badly, and visitors.
func beats() *trace {
	w := newTown("beats", 8*hour)
	w.crowd(150, w.some(300), func() func(int64) float64 {
		return w.beat(5000*math.Exp(4.4*w.r.Float64()), 0.02+0.2*w.r.Float64())
	})
	w.crowd(1500, w.some(3), func() func(int64) float64 { return w.spread(2000, 1.5) })
	return w.done()
}

// dayAndNight has people who sleep, and monitors that do not.
func dayAndNight() *trace {
	w := newTown("day and night", 48*hour)
	for n := 0; n < 1500; {
		at := w.r.Int64N(w.end)
		if w.r.Float64() > 0.6-0.5*math.Cos(2*math.Pi*float64(at)/float64(24*hour)) {
			continue
		}
		page, think := w.spread(300, 1), w.spread(15_000*math.Exp(0.8*w.r.NormFloat64()), 1.5)
		w.add(at, w.some(30)(), func(at int64) float64 {
			if w.r.Float64() < 0.7 {
				return page(at)
			}
			return think(at)
		})
		n++
	}
	for i := range int64(30) {
		period := minute * (1 + i%5)
		w.add(w.r.Int64N(period), forever, func(int64) float64 { return float64(period) + 500*w.r.Float64() })
	}
	return w.done()
}

// newHabits has clients that change their ways half way.
func newHabits() *trace {
	w := newTown("new habits", 12*hour)
	half := w.end / 2
	for i := range 80 {
		period := 15_000 + 500*float64(i)
		before, after := w.beat(period, 0.03), w.beat(4*period, 0.03)
		w.add(w.r.Int64N(minute), forever, change(half, before, after))
	}
	w.crowd(1500, w.some(12), func() func(int64) float64 { return change(half, w.spread(2000, 1.7), w.spread(20_000, 1.7)) })
	return w.done()
}

func change(when int64, before, after func(int64) float64) func(int64) float64 {
	return func(at int64) float64 {
		if at < when {
			return before(at)
		}
		return after(at)
	}
}

// newVisitors has readers at first, then visitors who leave.
func newVisitors() *trace {
	w := newTown("new visitors", 12*hour)
	for range 2500 {
		if at := w.r.Int64N(w.end); at < w.end/2 {
			w.add(at, w.some(20)(), w.spread(15_000, 1.3))
		} else {
			w.add(at, w.some(2.2)(), w.spread(500, 1.3))
		}
	}
	return w.done()
}

// chats has people of whom seven in ten ask one question, as language models
// see them.
func chats() *trace {
	w := newTown("chats", 6*hour)
	w.crowd(7200, func() int {
		if w.r.Float64() < 0.7 {
			return 1
		}
		return 1 + w.some(5)()
	}, func() func(int64) float64 { return w.spread(60_000*math.Exp(0.8*w.r.NormFloat64()), 0.9) })
	return w.done()
}

// gateways report about every ten minutes, in one to four messages.
func gateways() *trace {
	w := newTown("gateways", 24*hour)
	for range 120 {
		more := 0
		w.add(w.r.Int64N(10*minute), forever, func(int64) float64 {
			if more > 0 {
				more--
				return 300 + 2000*w.r.Float64()
			}
			more = w.r.IntN(4)
			return 604_000 + 800*w.r.NormFloat64()
		})
	}
	return w.done()
}

// few is five clients.
func few() *trace {
	w := newTown("few", 12*hour)
	for range 5 {
		w.add(w.r.Int64N(10*minute), forever, w.spread(2000*math.Exp(1.2*w.r.NormFloat64()), 1.6))
	}
	return w.done()
}

// many is visitors only.
func many() *trace {
	w := newTown("many", 6*hour)
	w.crowd(15_000, w.some(4), func() func(int64) float64 { return w.spread(1500*math.Exp(w.r.NormFloat64()), 1.5) })
	return w.done()
}

// sessions has people who load pages of several parts, read, and now and then
// take a long break.
func sessions() *trace {
	w := newTown("sessions", 10*hour)
	w.crowd(1500, w.some(40), func() func(int64) float64 {
		parts, read, pause := 0, w.spread(25_000*math.Exp(0.6*w.r.NormFloat64()), 1), w.spread(float64(40*minute), 1)
		return func(at int64) float64 {
			if parts > 0 {
				parts--
				return 30 + 400*w.r.Float64()
			}
			parts = w.r.IntN(7)
			if w.r.Float64() < 0.03 {
				return pause(at)
			}
			return read(at)
		}
	})
	return w.done()
}

// strangersAlike has clients that do not differ: here a single timeout is right,
// and all that is learned about one client is noise.
func strangersAlike() *trace {
	w := newTown("all alike", 6*hour)
	w.crowd(500, w.some(40), func() func(int64) float64 { return w.spread(5000, 1.8) })
	return w.done()
}

// heavyAlike is the same with a heavy tail.
func heavyAlike() *trace {
	w := newTown("all alike, heavy", 10*hour)
	w.crowd(800, w.some(25), func() func(int64) float64 {
		return func(int64) float64 { return 2000 * math.Pow(1-w.r.Float64(), -1/0.7) }
	})
	return w.done()
}

// waiting has clients without memory, of different rates.
func waiting() *trace {
	w := newTown("poisson", 10*hour)
	w.crowd(600, w.some(80), func() func(int64) float64 {
		mean := 20_000 * math.Exp(1.8*w.r.NormFloat64())
		return func(int64) float64 { return mean * w.r.ExpFloat64() }
	})
	return w.done()
}
