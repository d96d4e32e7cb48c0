package app

import (
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"idlehost/host/internal/config"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/trace"
	"idlehost/host/internal/trace/tracetest"
	"idlehost/sdk/abi"
)

// lives returns the kinds of records of each connection, by who opened it.
func lives(list []trace.Record) map[policy.Side][]string {
	sides, kinds := map[uint64]policy.Side{}, map[uint64][]string{}
	for _, r := range list {
		if r.Kind == trace.KindOpen {
			sides[r.Conn] = r.Side
		}
		if r.Conn > 0 {
			kinds[r.Conn] = append(kinds[r.Conn], r.Kind.String())
		}
	}
	all := map[policy.Side][]string{}
	for conn, k := range kinds {
		all[sides[conn]] = append(all[sides[conn]], strings.Join(k, " "))
	}
	return all
}

// TestRecordsWhatIsServed records real requests through the real proxy and
// reads them back.
func TestRecordsWhatIsServed(t *testing.T) {
	up, file := echo(t, "up"), filepath.Join(t.TempDir(), "live.trace")
	r := start(t, func(c *config.Config) {
		c.Upstream.Targets = []string{up}
		c.Plugin = config.Plugin{Path: "fixed", Config: map[string]string{"idle": "20s"}}
		c.Record.File = file
	})
	c := client(t)
	for range 3 {
		if status, body := get(t, c, r.url(0)+"/x"); status != 200 || body != "up /x" {
			t.Errorf("%d %q", status, body)
		}
	}
	c.CloseIdleConnections()
	digest := r.tenants.get("default").tenant.Digest()
	r.quiesce()
	h, list := tracetest.Read(t, file)
	if h.Origin != "live" || h.Host != "host test" || h.Start != r.governor.Epoch().UnixNano() || h.Sample != 65536 {
		t.Errorf("header %+v", h)
	}
	got := lives(list)
	if len(got[abi.SideAccepted]) != 1 || len(got[abi.SideDialled]) != 1 {
		t.Fatalf("connections: %v", got)
	}
	// The first byte of a request moves the phase to header, which the request
	// tells; the answer's first byte to write.
	const request = " begin phase end"
	for side, life := range got {
		if want := "open ask answer" + strings.Repeat(request, 3) + " close"; !strings.HasPrefix(strings.ReplaceAll(life[0], "phase phase", "phase"), "open") ||
			strings.Count(life[0], "begin") != 3 || strings.Count(life[0], "end") != 3 || !strings.HasSuffix(life[0], "close") {
			t.Errorf("%v: %s, want about %s", side, life[0], want)
		}
	}
	var law, installed bool
	for _, rec := range list {
		switch rec.Kind {
		case trace.KindPolicy:
			installed = installed || rec.Role == policy.RoleActive && rec.Name == digest && rec.Params == "idle=20s\n"
		case trace.KindRules:
			law = true
		case trace.KindOpen:
			if rec.Time < 0 || rec.Client == 0 {
				t.Errorf("open %+v", rec)
			}
		case trace.KindAsk:
			if rec.Ask.Conn != rec.Conn {
				t.Errorf("ask %+v", rec.Ask)
			}
		case trace.KindAnswer:
			if rec.Answer.Verdict.Source != policy.SourcePolicy {
				t.Errorf("answer %+v", rec.Answer)
			}
		}
	}
	if !law || !installed {
		t.Errorf("law told: %v, policy told: %v", law, installed)
	}
	wants(t, r.metricsText(), "host_record_records_total", "host_record_dropped_total 0", "host_record_bytes_total")
}

// TestAHostStartsBesideItsRecordings: with what it has recorded before it was
// ended, which stays as it is.
func TestAHostStartsBesideItsRecordings(t *testing.T) {
	file := filepath.Join(t.TempDir(), "live.trace")
	if err := os.WriteFile(file, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := start(t, func(c *config.Config) { c.Record.File = file })
	if status, _ := get(t, client(t), r.url(0)+"/x"); status != 200 {
		t.Errorf("status %d", status)
	}
	r.quiesce()
	if b, err := os.ReadFile(file); string(b) != "old" {
		t.Errorf("the file that was there holds %q, %v", b, err)
	}
	if _, list := tracetest.Read(t, strings.Replace(file, "live", "live-2", 1)); len(lives(list)) == 0 {
		t.Error("nothing is recorded")
	}
}

// TestARecordingThatCannotBeMade is a mistake of the configuration.
func TestARecordingThatCannotBeMade(t *testing.T) {
	file := filepath.Join(t.TempDir(), "nowhere", "live.trace")
	c := configOf(func(c *config.Config) { c.Record.File = file })
	_, err := New(t.Context(), Config{Version: "test", Load: func() (*config.Config, error) { return c, nil }, Stdout: io.Discard, Stderr: io.Discard})
	var problems config.Problems
	if !errors.As(err, &problems) || !strings.Contains(err.Error(), "record.file: recording: open "+filepath.Dir(file)) {
		t.Errorf("%v", err)
	}
}

// TestOneTenantIsRecordedWhileItServes: connections that are open are
// introduced, and after the end nothing is taken down.
func TestOneTenantIsRecordedWhileItServes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "recordings")
	r := start(t, func(c *config.Config) { c.Record.Dir = dir })
	m, c := r.tenants.get("default"), client(t)
	request := func() {
		if status, _ := get(t, c, r.url(0)+"/x"); status != 200 {
			t.Errorf("status %d", status)
		}
		r.rest()
	}
	request()
	if err := r.recordings.stop("default", "me"); !errors.Is(err, errNoTape) {
		t.Errorf("stop before the begin: %v", err)
	}
	if err := r.recordings.begin(m, "me", 0, 0); err != nil {
		t.Fatal(err)
	}
	if err := r.recordings.begin(m, "me", 0, 0); !errors.Is(err, errTaped) {
		t.Errorf("begun twice: %v", err)
	}
	request()
	if err := r.recordings.stop("default", "me"); err != nil {
		t.Fatal(err)
	}
	request()
	c.CloseIdleConnections()
	file := r.recordings.of("default").Stats().File
	if filepath.Dir(file) != dir || !strings.HasPrefix(filepath.Base(file), "default-") {
		t.Errorf("the file is %s", file)
	}
	_, list := tracetest.Read(t, file)
	got := lives(list)[abi.SideAccepted]
	if len(got) != 1 || !strings.HasPrefix(got[0], "open begin") || strings.Count(got[0], "end") != 1 || strings.Contains(got[0], "close") {
		t.Errorf("lives %v", got)
	}
	i := slices.IndexFunc(list, func(r trace.Record) bool { return r.Kind == trace.KindOpen })
	if list[i].Age <= 0 || list[i].BytesIn == 0 {
		t.Errorf("introduced as %+v", list[i])
	}
	if err := r.recordings.begin(m, "me", 0.5, 2<<20); err != nil {
		t.Fatal(err)
	}
	again := r.recordings.of("default")
	if again.Stats().File == file || again.sample != 0.5 || again.size != 2<<20 {
		t.Errorf("the second: %+v", again)
	}
}

// TestARecordingThatIsFullEndsAlone: traffic goes on, the log says so, and
// another one may begin.
func TestARecordingThatIsFullEndsAlone(t *testing.T) {
	r := start(t, func(c *config.Config) {
		c.Record.Dir = t.TempDir()
		c.Record.MaxSize = 1 << 20
	})
	m := r.tenants.get("default")
	if err := r.recordings.begin(m, "me", 1, 1<<40); err != nil {
		t.Fatal(err)
	}
	s := r.recordings.of("default")
	for i := uint64(1); !s.Stats().Over; i++ {
		s.tape.Take(trace.Record{Kind: trace.KindEnd, Time: int64(i * 7919), Conn: i * 7919, BytesIn: i})
	}
	s.Close()
	if m.taping.tape.Load() != nil {
		t.Error("the tape is still set")
	}
	res, err := http.Get(r.url(0) + "/")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if err := r.recordings.begin(m, "me", 1, 0); err != nil {
		t.Error(err)
	}
	waitFor(t, func() bool {
		log := r.log.String() // which is written by the way
		return strings.Contains(log, "recording has ended") && strings.Contains(log, "as large as it may")
	})
	if records, _, bytes := r.recordings.sums(); records == 0 || bytes < 1<<19 {
		t.Errorf("%d records of %d bytes are counted", records, bytes)
	}
}
