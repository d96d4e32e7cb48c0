package logs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"idlehost/host/internal/trace"
)

// opened reads a log that is a text.
func opened(t testing.TB, text string, cfg Config) *Source {
	t.Helper()
	cfg.Stdin = strings.NewReader(text)
	s, err := Open("-", cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// told reads all of a source and writes its records as "2s open1", "2s begin1"
// and "3s end1:120" with the bytes out, after their time.
func told(t testing.TB, s trace.Source) (all []string) {
	t.Helper()
	for {
		var r trace.Record
		switch err := s.Next(&r); {
		case errors.Is(err, io.EOF):
			return all
		case err != nil:
			t.Fatal(err)
		}
		if r.Kind == trace.KindTenant {
			continue
		}
		text := fmt.Sprintf("%v %v%d", float64(r.Time)/1e9, r.Kind, r.Conn)
		if r.Kind == trace.KindEnd {
			text += fmt.Sprintf(":%d", r.BytesOut)
		}
		all = append(all, text)
	}
}

// same fails unless a log is told as the text has it, a record a line.
func same(t testing.TB, got []string, want string) {
	t.Helper()
	if text := strings.Join(got, "\n"); text != strings.TrimSpace(want) {
		t.Errorf("told:\n%s\nwant:\n%s", text, strings.TrimSpace(want))
	}
}

func TestRequestsThatOverlapAreInFlightTogether(t *testing.T) {
	s := opened(t, "time_ms\tclient\tbytes\tdur_ms\n"+
		"0\ta\t10\t5000\n"+
		"1000\tb\t1\t0\n"+
		"2000\ta\t20\t1000\n"+
		"5000\ta\t5\t-\n", Config{})
	same(t, told(t, s), `
0 open1
0 begin1
1 open2
1 begin2
1 end2:1
2 begin1
3 end1:30
5 end1:30
5 begin1
5 end1:35
`)
}

func TestTunnelsAreConnectionsOfTheirOwn(t *testing.T) {
	s := opened(t, "time_ms\tclient\tbytes\tdur_ms\tkind\n"+
		"0\ta\t1\t0\thttp\n"+
		"1000\ta\t7\t9000\twebsocket\n"+
		"2000\ta\t2\t0\thttp\n"+
		"3000\ta\t3\t0\ttunnel\n", Config{})
	same(t, told(t, s), `
0 open1
0 begin1
0 end1:1
1 open2
1 begin2
2 begin1
2 end1:3
3 open3
3 begin3
3 end3:3
3 close3
10 end2:7
10 close2
`)
	if st := s.Stats(); st.Clients != 1 || st.Tunnels != 2 {
		t.Errorf("statistics %+v, want one client and 2 tunnels", st)
	}
}

func TestLinesOutOfOrderArePutInOrder(t *testing.T) {
	s := opened(t, "time_ms\tclient\n"+"0\ta\n"+"9000\tb\n"+"4000\tc\n"+"8000\td\n"+"9000\te\n", Config{})
	same(t, told(t, s), `
0 open1
0 begin1
0 end1:0
4 open2
4 begin2
4 end2:0
8 open3
8 begin3
8 end3:0
9 open4
9 begin4
9 end4:0
9 open5
9 begin5
9 end5:0
`)
}

// TestWhatIsOlderThanTheWindow: it is left out, but for what of it is left.
func TestWhatIsOlderThanTheWindow(t *testing.T) {
	text := "time_ms\tclient\tbytes\tdur_ms\n" +
		"0\ta\t0\t0\n" + "100000\tb\t0\t0\n" + "170000\tb\t0\t0\n" + "300000\tb\t0\t0\n" + // 170 s has left
		"90000\tc\t0\t5000\n" + // ends before
		"80000\td\t0\t100000\n" + // ends after
		"99999\te\t0\t0\n" + "300000\tb\t0\t0\n"
	s := opened(t, text, Config{})
	n := counts(t, s)
	st := s.Stats()
	if st.Dropped != 2 || st.Shortened != 1 || st.DroppedAt != "standard input:6" || st.Rows != 8 || n[trace.KindBegin] != 6 {
		t.Errorf("statistics %+v, records %v; want 2 of 8 rows dropped, the first on line 6, one shortened", st, n)
	}
	notes := strings.Join(st.Notes(), "\n")
	for _, want := range []string{"requests left out, for they came too late in the log: 2, the first at standard input:6", "may not be in order", "for they were logged long after they began: 1"} {
		if !strings.Contains(notes, want) {
			t.Errorf("notes do not say %q:\n%s", want, notes)
		}
	}
	wide := opened(t, text, Config{Window: 1e12})
	counts(t, wide)
	if st := wide.Stats(); st.Dropped+st.Shortened != 0 {
		t.Errorf("in a wide window: %+v", st)
	}
}

func TestAWindowHasRoomForSoManyRequests(t *testing.T) {
	var log strings.Builder
	log.WriteString("time_ms\tclient\n")
	for i := range 1000 {
		fmt.Fprintf(&log, "%d\ta\n", 1000+i)
	}
	s := opened(t, log.String()+"0\tb\n1999\ta\n", Config{Reorder: 10})
	counts(t, s)
	if st := s.Stats(); st.Dropped != 1 || st.DroppedAt != "standard input:1002" {
		t.Errorf("statistics %+v, want one row dropped, on line 1002", st)
	}
	if n := cap(s.window.run); n > 64 {
		t.Errorf("%d requests were kept for a window of 10", n)
	}
}

// TestATimeThatIsFarAheadIsNotBelieved, unless the log goes on from there.
func TestATimeThatIsFarAheadIsNotBelieved(t *testing.T) {
	const day = 86_400_000
	log := func(times ...int) string {
		text := "time_ms\tclient\n"
		for _, at := range times {
			text += fmt.Sprintf("%d\ta\n", at)
		}
		return text
	}
	for _, c := range []struct {
		name  string
		times []int
		rows  int64
		bad   string
	}{
		{"in the middle", []int{0, 1000, 80 * day, 2000, 3000}, 4, "standard input:4: its time is more than a day after those around it"},
		{"at the beginning", []int{80 * day, 1000, 2000}, 2, "standard input:2: its time is more than a day after those around it"},
		{"a log with a hole", []int{0, 5 * day, 5*day + 10, 11 * day}, 4, ""},
		{"at the end", []int{0, 1000, 5 * day}, 3, ""},
	} {
		s := opened(t, log(c.times...), Config{})
		counts(t, s)
		if st := s.Stats(); st.Rows != c.rows || st.Dropped != 0 || strings.Join(st.BadAt, ";") != c.bad {
			t.Errorf("%s: %+v", c.name, st)
		}
	}
}

func TestAClientThatIsForgottenBeginsAnew(t *testing.T) {
	s := opened(t, "time_ms\tclient\tbytes\tdur_ms\n"+
		"0\ta\t1\t90000\n"+"1000\tb\t2\t0\n"+"2000\tc\t4\t0\n"+"3000\tb\t8\t0\n"+"4000\ta\t16\t0\n", Config{Clients: 2})
	same(t, told(t, s), `
0 open1
0 begin1
1 open2
1 begin2
1 end2:2
2 open3
2 begin3
2 end3:4
3 begin2
3 end2:10
4 open4
4 begin4
4 end4:16
90 end1:1
`)
	if st := s.Stats(); st.Forgotten != 2 || st.Clients != 4 {
		t.Errorf("statistics %+v, want 4 clients, 2 of them forgotten", st)
	}
}

func TestBadLinesAreCountedAndTheFirstNamed(t *testing.T) {
	text := "time_ms\tclient\tbytes\n"
	for i := range 20 {
		text += fmt.Sprintf("%d\ta\t5\n", i)
	}
	text += "x\ta\t5\n" + "30\t\t5\n" + "30\ta\t-1\n" + "30\ta\n" + "30\ta\t5\t6\n" + "\n# a comment\n" + "99\ta\n" + strings.Repeat("y", longestLine+5) + "\n31\ta\t1"
	s := opened(t, text, Config{})
	counts(t, s)
	st := s.Stats()
	want := `standard input:22: time "x": not a number
standard input:23: client: there is none
standard input:24: bytes "-1": not a number
standard input:25: 2 columns, not 3
standard input:26: more than 3 columns`
	if got := strings.Join(st.BadAt, "\n"); got != want || st.Bad != 7 || st.Rows != 21 {
		t.Errorf("%d bad, %d rows:\n%s", st.Bad, st.Rows, got)
	}
}

func TestTheSameLogIsTheSameRecording(t *testing.T) {
	var log bytes.Buffer
	log.WriteString("time_ms\tclient\tbytes\tdur_ms\n")
	for i := range 3000 {
		fmt.Fprintf(&log, "%d\t%d\t%d\t%d\n", i*i%7000+i*100, i%97, i, i%5000)
	}
	records := func(cfg Config) (all []trace.Record) {
		s := opened(t, log.String(), cfg)
		for {
			var r trace.Record
			if s.Next(&r) != nil {
				return all
			}
			all = append(all, r)
		}
	}
	first, again, other := records(Config{}), records(Config{}), records(Config{Key: SeedKey(1)})
	if len(first) < 6000 || fmt.Sprint(first) != fmt.Sprint(again) {
		t.Error("two readings differ")
	}
	named := 0
	for i := range first {
		if first[i].Client != other[i].Client {
			named++
		}
		first[i].Client, other[i].Client = 0, 0
	}
	if named != 97 || fmt.Sprint(first) != fmt.Sprint(other) {
		t.Errorf("with another key %d clients have other names, want 97, and nothing else differs", named)
	}
}

func TestExcerptsOfRealLogs(t *testing.T) {
	for name, want := range map[string]struct{ rows, clients, tunnels int64 }{
		"cran":      {rows: 1000, clients: 36},
		"wordpress": {rows: 1000, clients: 158},
		"dns":       {rows: 1000, clients: 98},
		"dash":      {rows: 750, tunnels: 31},
	} {
		s, err := Open("testdata/"+name+".tsv", Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		n := counts(t, s)
		st := s.Stats()
		if st.Rows != want.rows || n[trace.KindBegin] != want.rows || want.clients > 0 && st.Clients != want.clients ||
			st.Tunnels != want.tunnels || st.Bad+st.Dropped+st.Shortened > 0 {
			t.Errorf("%s: %+v", name, st)
		}
		if got := s.Header(); got.Origin != name+".tsv (TSV; a client is one connection)" || got.Start != undated || got.Sample != 1<<16 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
