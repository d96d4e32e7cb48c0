package bounds

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"idlehost/host/internal/trace"
)

// town are so many clients who come back after gaps over four orders of
// magnitude.
func town(clients, requests int) (r recording) {
	random := rand.New(rand.NewPCG(5, 5))
	for c := range clients {
		at := random.Int64N(3600e9)
		r.open(at, uint64(c+1))
		for range requests {
			r.request(at, at+20e6, uint64(c+1))
			at += 20e6 + int64(4e9*math.Exp(2*random.NormFloat64()))
		}
	}
	slices.SortStableFunc(r, func(a, b trace.Record) int { return int(a.Time - b.Time) })
	return r
}

func BenchmarkSurvey(b *testing.B) {
	r := town(2000, 100)
	b.ReportAllocs()
	for b.Loop() {
		r.survey(Config{WorthMs: 120_000, To: r[len(r)-1].Time})
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(r)), "ns/record")
}

func BenchmarkCensus(b *testing.B) {
	r := town(2000, 100)
	b.ReportAllocs()
	for b.Loop() {
		r.census()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(r)), "ns/record")
}

func TestRecordsAreTakenWithoutAllocating(t *testing.T) {
	r := town(50, 400)
	s, c := New(Config{WorthMs: 120_000, To: r[len(r)-1].Time}), NewCensus()
	take := func(part recording) func() {
		return func() {
			for i := range part {
				s.Add(&part[i])
				c.Add(&part[i])
			}
		}
	}
	take(r[:len(r)/2])()
	rest := r[len(r)/2:]
	if n := testing.AllocsPerRun(1, take(rest)); n > float64(len(rest))/100 {
		t.Errorf("%v allocations for %d records", n, len(rest))
	}
}
