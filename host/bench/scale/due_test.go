package scale

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"
)

const (
	dueConns  = 19_000
	dueRounds = 7
	dueEvery  = 2 * time.Second
)

// BenchmarkDue has the deadlines of 19,000 connections fall at once, of one
// tenant and of a hundred, whose policy is adaptive: in the host's process, and
// in a worker. wall-ms is from the first question to the last answer that was
// applied; beside-ms is that without the time that the guests took, which only a
// worker tells; cpu-ms is processor time of both processes. They are medians of
// some rounds.
//
//	go test -run '^$' -bench Due -benchtime 1x ./host/bench/scale
func BenchmarkDue(b *testing.B) {
	for _, tenants := range []int{1, 100} {
		for _, where := range []string{"host", "worker"} {
			b.Run(fmt.Sprintf("tenants=%d/%s", tenants, where), func(b *testing.B) {
				for b.Loop() {
					reportDue(b, tenants, where)
				}
			})
		}
	}
}

func reportDue(b *testing.B, tenants int, where string) {
	s := start(b, beDue, strconv.Itoa(tenants), where, filepath.Join(b.TempDir(), "code"))
	u := start(b, beClients, s.line(b), strconv.Itoa(dueConns))
	u.line(b)
	var all []round
	for range dueRounds {
		var r round
		if err := json.Unmarshal([]byte(s.line(b)), &r); err != nil {
			b.Fatal(err)
		}
		b.Logf("%+v", r)
		all = append(all, r)
	}
	s.tell.Close()
	u.tell.Close()
	if err := s.cmd.Wait(); err != nil {
		b.Error(err)
	}
	u.cmd.Wait()
	middle := func(of func(r *round) time.Duration) float64 {
		var list []time.Duration
		for i := range all {
			list = append(list, of(&all[i]))
		}
		slices.Sort(list)
		return list[len(list)/2].Seconds() * 1e3
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(middle(func(r *round) time.Duration { return r.Wall }), "wall-ms")
	b.ReportMetric(middle(func(r *round) time.Duration { return r.Put }), "put-ms")
	b.ReportMetric(middle(func(r *round) time.Duration { return r.CPU }), "cpu-ms")
	if where == "worker" {
		b.ReportMetric(middle(func(r *round) time.Duration { return r.Guest }), "guest-ms")
		b.ReportMetric(middle(func(r *round) time.Duration { return r.Wall - r.Guest }), "beside-ms")
	}
}
