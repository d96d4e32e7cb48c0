package logs

import (
	"cmp"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"idlehost/host/internal/trace"
)

// TestWholeRecordings reads real traffic, where there is some: the numbers are
// those of its own description.
func TestWholeRecordings(t *testing.T) {
	dir := cmp.Or(os.Getenv("IDLEHOST_TRACES"), "../../../../../shared/traces")
	for name, want := range map[string]struct {
		rows, clients, tunnels int64
		span                   time.Duration
	}{
		"web1995-nasa":                {rows: 33_996, clients: 2_582, span: 14*time.Hour + 52*time.Minute},
		"web2016-wordpress":           {rows: 139_658, clients: 11_898, span: 566 * time.Hour},
		"api2012-cran":                {rows: 62_400, clients: 3_106, span: 72 * time.Hour},
		"dash2013-longpoll":           {rows: 9_798, clients: 195, span: 10*time.Hour + 19*time.Minute},
		"dns2018-wrccdc":              {rows: 24_662, clients: 448, span: 21 * time.Minute},
		"dash2013-longpoll.durations": {rows: 10_049, tunnels: 249, span: 13*time.Hour + 34*time.Minute}, // of beginnings
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, name+".tsv.gz")
			if _, err := os.Stat(path); err != nil {
				t.Skip("no such recording: set IDLEHOST_TRACES to the folder of them")
			}
			s, err := Open(path, Config{})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			n := counts(t, s)
			st := s.Stats()
			if st.Rows != want.rows || n[trace.KindBegin] != want.rows || n[trace.KindEnd] != want.rows {
				t.Errorf("%d rows, %d begin, %d end; want %d", st.Rows, n[trace.KindBegin], n[trace.KindEnd], want.rows)
			}
			if want.clients > 0 && st.Clients != want.clients || st.Tunnels != want.tunnels || n[trace.KindClose] != want.tunnels {
				t.Errorf("%d clients, %d tunnels, %d closed; want %d and %d", st.Clients, st.Tunnels, n[trace.KindClose], want.clients, want.tunnels)
			}
			if off := st.Last.Sub(st.First) - want.span; off.Abs() > time.Hour && off.Abs() > want.span/100 {
				t.Errorf("it spans %v, want about %v", st.Last.Sub(st.First), want.span)
			}
			if st.Bad+st.Dropped+st.Shortened+st.Forgotten > 0 {
				t.Errorf("something was left out: %+v", st)
			}
		})
	}
}

// counts reads all of a source, holds it to its promises, and counts its
// records by kind.
func counts(t testing.TB, s trace.Source) map[trace.Kind]int64 {
	t.Helper()
	n := map[trace.Kind]int64{}
	flight := map[uint64]int{} // by connections that are open
	last := int64(0)
	for {
		var r trace.Record
		if err := s.Next(&r); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		n[r.Kind]++
		if r.Time < last {
			t.Fatalf("record %+v after %d", r, last)
		}
		last = r.Time
		under, open := flight[r.Conn]
		switch r.Kind {
		case trace.KindTenant:
			continue
		case trace.KindOpen:
			if open || r.Client == 0 {
				t.Fatalf("opened twice, or by nobody: %+v", r)
			}
			flight[r.Conn] = 0
			continue
		case trace.KindBegin:
			flight[r.Conn]++
		case trace.KindEnd:
			if under == 0 {
				t.Fatalf("ended without a beginning: %+v", r)
			}
			flight[r.Conn]--
		case trace.KindClose:
			if under != 0 {
				t.Fatalf("closed with requests in flight: %+v", r)
			}
			delete(flight, r.Conn)
		default:
			t.Fatalf("a log does not tell of %v", r.Kind)
		}
		if !open {
			t.Fatalf("no such connection: %+v", r)
		}
	}
	for conn, under := range flight {
		if under != 0 {
			t.Fatalf("connection %d has %d requests in flight", conn, under)
		}
	}
	return n
}
