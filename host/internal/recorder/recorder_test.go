package recorder

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/trace"
	"idlehost/host/internal/trace/tracetest"
	"idlehost/sdk/abi"
)

func config(t *testing.T) Config {
	t.Helper()
	return Config{File: filepath.Join(t.TempDir(), "live.trace"), Start: 1e18, Granularity: 1e7, Host: "host test"}
}

func start(t *testing.T, cfg Config) *Recorder {
	t.Helper()
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func kinds(list []trace.Record) (all []trace.Kind) {
	for _, r := range list {
		all = append(all, r.Kind)
	}
	return all
}

// life is what a tape is told of one connection: the first byte of a request
// 3 ms before it, and an answer.
func life(t *Tape, conn, client uint64) {
	t.Take(trace.Record{Kind: trace.KindOpen, Time: 1e9, Conn: conn, Client: client, Side: abi.SideDialled, Protocol: abi.ProtocolHTTP2,
		Phase: abi.PhaseStreamIdle, Handshake: 2, Age: 5e8, BytesIn: 11, BytesOut: 12})
	t.TakeAt(t.Mark(), trace.Record{Kind: trace.KindAsk, Time: 1e9 + 1, Conn: conn, Ask: &policy.Event{
		Kind: uint8(abi.KindAccept), Client: client, Conn: conn, Size: abi.EventUsed,
	}}, &trace.Answer{Verdict: policy.Verdict{Deadline: time.Second}})
	t.Take(trace.Record{Kind: trace.KindBegin, Time: 2e9, Conn: conn, Route: 3, Body: true, Since: 3e6})
	t.Take(trace.Record{Kind: trace.KindEnd, Time: 3e9, Conn: conn, BytesIn: 100, BytesOut: 200})
	t.Take(trace.Record{Kind: trace.KindClose, Time: 4e9, Conn: conn, Phase: abi.PhaseIdle, Reason: policy.ReasonClamp, Cut: true,
		Since: 1e9, BytesIn: 100, BytesOut: 201})
}

func TestWhatIsToldIsRead(t *testing.T) {
	cfg := config(t)
	r := start(t, cfg)
	a := r.Tenant("acme")
	if r.Tenant("acme") != a || r.Tenant("other") == a {
		t.Error("a tenant's tape is not one")
	}
	a.Installed(policy.RoleActive, "abcd", map[string]string{"b": "2", "a": "1"})
	a.Installed(policy.RoleActive, "abcd", map[string]string{"b": "2", "a": "1"}) // no news
	a.Installed(policy.RoleCanary, "", nil)                                       // nor this
	law := policy.Timeouts{abi.PhaseIdle: {Idle: time.Minute}}
	a.Ruled(abi.SideDialled, law, policy.Limits{Worth: time.Hour})
	a.Ruled(abi.SideDialled, law, policy.Limits{Worth: time.Hour})
	life(a, 7, 99)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	h, got := tracetest.Read(t, cfg.File)
	if want := (trace.Header{Start: 1e18, Granularity: 1e7, Sample: Everybody, Host: "host test", Origin: "live"}); h != want {
		t.Errorf("header %+v, want %+v", h, want)
	}
	client := got[4].Client
	if client == 99 || client == 0 {
		t.Errorf("the client is %d", client)
	}
	if e := got[5].Ask; e == nil || e.Client != client || e.Conn != 7 {
		t.Fatalf("question %+v", e)
	}
	if a := got[6].Answer; a == nil || a.Verdict.Deadline != time.Second {
		t.Fatalf("answer %+v", a)
	}
	if ru := got[3].Rules; ru == nil || ru.Timeouts != law || ru.Limits.Worth != time.Hour {
		t.Fatalf("rules %+v", ru)
	}
	got[3].Rules, got[5].Ask, got[6].Answer = nil, nil, nil
	want := []trace.Record{
		{Kind: trace.KindTenant, Tenant: 1, Name: "acme"},
		{Kind: trace.KindTenant, Tenant: 2, Name: "other"},
		{Kind: trace.KindPolicy, Tenant: 1, Name: "abcd", Params: "a=1\nb=2\n"},
		{Kind: trace.KindRules, Tenant: 1, Side: abi.SideDialled},
		{Kind: trace.KindOpen, Time: 1e9, Conn: 7, Tenant: 1, Client: client, Side: abi.SideDialled, Protocol: abi.ProtocolHTTP2,
			Phase: abi.PhaseStreamIdle, Handshake: 2, Age: 5e8, BytesIn: 11, BytesOut: 12},
		{Kind: trace.KindAsk, Time: 1e9 + 1, Conn: 7},
		{Kind: trace.KindAnswer, Time: 1e9 + 1, Conn: 7},
		{Kind: trace.KindBegin, Time: 2e9, Conn: 7, Route: 3, Body: true, Since: 3e6},
		{Kind: trace.KindEnd, Time: 3e9, Conn: 7, BytesIn: 100, BytesOut: 200},
		{Kind: trace.KindClose, Time: 4e9, Conn: 7, Phase: abi.PhaseIdle, Reason: policy.ReasonClamp, Cut: true, Since: 1e9, BytesIn: 100, BytesOut: 201},
	}
	if !slices.Equal(got, want) {
		t.Errorf("%+v\nwant\n%+v", got, want)
	}
	if s := r.Stats(); s.Records != uint64(len(want)) || s.Dropped != 0 || !s.Over || s.Files != 1 || s.File != cfg.File {
		t.Errorf("stats %+v", s)
	}
	if info, err := os.Stat(cfg.File); err != nil || info.Mode().Perm() != 0o600 || info.Size() != r.Stats().Bytes {
		t.Errorf("the file: %v, %v, %d bytes told of", info, err, r.Stats().Bytes)
	}
	life(a, 8, 99) // after the end: nobody minds
}

// TestAFileCountsFromItsBegin, though it was begun in the middle of lives: what
// connections have done before has a negative time.
func TestAFileCountsFromItsBegin(t *testing.T) {
	cfg := config(t)
	cfg.Begin = 2_123_456_789
	r := start(t, cfg)
	life(r.Tenant("acme"), 7, 99)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	h, got := tracetest.Read(t, cfg.File)
	if h.Start != 1e18+2_120_000_000 {
		t.Errorf("starts at %d", h.Start)
	}
	const base = 2_120_000_000
	for i, at := range []int64{cfg.Begin, 1e9, 1e9 + 1, 1e9 + 1, 2e9, 3e9, 4e9} {
		if got[i].Time != at-base {
			t.Errorf("record %d, %v, is at %d, want %d", i, got[i].Kind, got[i].Time, at-base)
		}
	}
}

// TestNothingIsWrittenOver: neither what others have put there nor what an
// earlier process has recorded, whose last file may be anything.
func TestNothingIsWrittenOver(t *testing.T) {
	cfg := config(t)
	dir := filepath.Dir(cfg.File)
	there := []string{"live.trace", "live-2.trace", "live-7.trace", "live-07.trace", "live-99.trace.gz", "live-x.trace", "live-99999999999.trace"}
	for _, name := range there {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "live-8.trace"), 0o700); err != nil {
		t.Fatal(err)
	}
	r := start(t, cfg)
	life(r.Tenant("acme"), 7, 42)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if s := r.Stats(); s.File != filepath.Join(dir, "live-9.trace") || s.Files != 1 {
		t.Errorf("statistics %+v, want one file, live-9.trace", s)
	}
	tracetest.Read(t, r.Stats().File)
	for _, name := range there {
		if b, _ := os.ReadFile(filepath.Join(dir, name)); string(b) != "mine" {
			t.Errorf("%s holds %q", name, b)
		}
	}
}

// TestADeviceIsNoRecording, and nothing is begun beside it.
func TestADeviceIsNoRecording(t *testing.T) {
	cfg := config(t)
	if err := os.Symlink("/dev/null", cfg.File); err != nil {
		t.Fatal(err)
	}
	if _, err := New(cfg); err == nil || err.Error() != "recording "+cfg.File+": it is there, and no regular file" {
		t.Errorf("%v", err)
	}
	if list, err := os.ReadDir(filepath.Dir(cfg.File)); len(list) != 1 {
		t.Errorf("there are %v, %v", list, err)
	}
}

// TestASeriesOutlivesItsProcess: what is kept is counted over all of them.
func TestASeriesOutlivesItsProcess(t *testing.T) {
	cfg := config(t)
	cfg.Keep, cfg.Renew = 2, func() {}
	for range 5 {
		if err := start(t, cfg).Close(); err != nil {
			t.Fatal(err)
		}
	}
	list, err := filepath.Glob(filepath.Join(filepath.Dir(cfg.File), "*"))
	for i, name := range list {
		list[i] = filepath.Base(name)
	}
	if want := []string{"live-3.trace", "live-4.trace", "live-5.trace"}; err != nil || !slices.Equal(list, want) {
		t.Errorf("there are %v, %v", list, err)
	}
}

func TestConfigurationIsChecked(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"no file":       func(c *Config) { c.File = "" },
		"no directory":  func(c *Config) { c.File = filepath.Join(c.File, "x") },
		"small":         func(c *Config) { c.MaxSize = MinSize - 1 },
		"sample":        func(c *Config) { c.Sample = Everybody + 1 },
		"keep":          func(c *Config) { c.Keep = 1 },
		"no start step": func(c *Config) { c.Granularity = 0 },
	} {
		cfg := config(t)
		change(&cfg)
		if r, err := New(cfg); err == nil {
			r.Close()
			t.Errorf("%s: no error", name)
		}
		if name != "no directory" && name != "no file" {
			if _, err := os.Stat(cfg.File); err == nil {
				t.Errorf("%s: a file was left", name)
			}
		}
	}
}

// TestFlushedEachSecond: what a crash costs is at most a second, and a
// recording of nothing does not tick.
func TestFlushedEachSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config(t)
		r := start(t, cfg)
		a := r.Tenant("acme")
		time.Sleep(time.Hour)
		life(a, 7, 1)
		time.Sleep(flushEvery + drainEvery)
		synctest.Wait()
		if _, got := tracetest.Read(t, cfg.File); len(got) != 7 {
			t.Errorf("%d records are in the file, want 7", len(got))
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if !r.sleeping.Load() {
			t.Error("the writer does not sleep")
		}
		life(a, 8, 1)
		time.Sleep(flushEvery + drainEvery)
		synctest.Wait()
		if _, got := tracetest.Read(t, cfg.File); len(got) != 13 {
			t.Errorf("%d records are in the file, want 13", len(got))
		}
		r.Close()
	})
}

func TestItEndsWhenItIsFull(t *testing.T) {
	cfg := config(t)
	cfg.MaxSize = MinSize
	ended := make(chan error, 1)
	cfg.Ended = func(err error) { ended <- err }
	r := start(t, cfg)
	a := r.Tenant("acme")
	for i := uint64(1); !r.Stats().Over; i++ {
		life(a, i, i)
	}
	if err := r.Err(); !errors.Is(err, ErrFull) {
		t.Errorf("it is over for %v", err)
	}
	if err := <-ended; !errors.Is(err, ErrFull) {
		t.Errorf("it ended with %v", err)
	}
	if err := r.Close(); !errors.Is(err, ErrFull) {
		t.Errorf("close: %v", err)
	}
	info, err := os.Stat(cfg.File)
	if err != nil || info.Size() > MinSize || info.Size() < MinSize-4<<10 {
		t.Errorf("the file: %v, %v", info.Size(), err)
	}
	tracetest.Read(t, cfg.File)
}

// TestFilesFollowEachOther: each says again who the tenants are, has its own
// pseudonyms, and only as many are left as are wanted.
func TestFilesFollowEachOther(t *testing.T) {
	cfg := config(t)
	cfg.MaxSize, cfg.Keep = MinSize, 2
	renewed := make(chan struct{}, 1000)
	cfg.Renew = func() { renewed <- struct{}{} }
	r := start(t, cfg)
	a := r.Tenant("acme")
	a.Installed(policy.RoleShadow, "beef", nil)
	for i := uint64(1); r.Stats().Files < 5 && !r.Stats().Over; i++ {
		life(a, i, 42)
		if r.Stats().Files == 2 {
			os.Remove(cfg.File) // somebody has put it away
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	names := r.Files()
	if len(names) != 3 || len(renewed) != r.Stats().Files-1 {
		t.Fatalf("%v after %d files, renewed %d times", names, r.Stats().Files, len(renewed))
	}
	list, err := filepath.Glob(filepath.Join(filepath.Dir(cfg.File), "*"))
	if err != nil || len(list) != 3 {
		t.Errorf("there are %v, %v", list, err)
	}
	seen := map[uint64]bool{}
	for _, name := range names {
		h, got := tracetest.Read(t, name)
		if h.Start != cfg.Start+4e9 || got[0].Time != 0 { // the time of the last close before it
			t.Errorf("%s starts at %d, with %d", name, h.Start, got[0].Time)
		}
		if k := kinds(got)[:2]; !slices.Equal(k, []trace.Kind{trace.KindTenant, trace.KindPolicy}) || got[1].Role != policy.RoleShadow {
			t.Errorf("%s begins with %v", name, got[:2])
		}
		for _, rec := range got {
			if rec.Kind == trace.KindOpen {
				seen[rec.Client] = true
			}
		}
	}
	if len(seen) != 3 || seen[42] {
		t.Errorf("one client is called %v in three files", seen)
	}
}

func TestASampleIsOfWholeClients(t *testing.T) {
	cfg := config(t)
	cfg.Sample = Everybody / 4
	r := start(t, cfg)
	a, b, n := r.Tenant("acme"), r.Tenant("other"), 0
	for c := uint64(1); c <= 4000; c++ {
		if a.Takes(c) != b.Takes(c) {
			t.Fatal("a client is taken down by one tenant only")
		}
		if a.Takes(c) {
			n++
		}
	}
	if n < 850 || n > 1150 { // six standard deviations
		t.Errorf("%d of 4000 clients are taken down, want about 1000", n)
	}
}

// Files names the files that are there, the oldest first.
func (r *Recorder) Files() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.files)
}
