package tck

import (
	"strings"
	"testing"
	"time"

	"idlehost/sdk/abi"
)

func TestGoodGuestConforms(t *testing.T) {
	Run(t, good().bytes())
}

func TestMinimalGuestConforms(t *testing.T) {
	b := good()
	for _, optional := range []string{"on_close", "configure", "configure_buffer", "state_region", "state_format"} {
		delete(b.funcs, optional)
	}
	// Nothing may be learned outside a region, but then nothing needs to be.
	Run(t, b.bytes())
}

// set replaces a function's body.
func set(name string, body ...[]byte) func(*build) {
	return func(b *build) {
		f := b.funcs[name]
		f.body = cat(body...)
		b.funcs[name] = f
	}
}

// Every rule is broken by some guest, and the kit says which, and how.
func TestKitFindsViolations(t *testing.T) {
	unreachable := []byte{0x00}
	for name, c := range map[string]struct {
		rule, says string
		break_     func(*build)
	}{
		"foreign import": {"imports", "imports env.open, which no policy may", func(b *build) { b.imports = []string{"env.open"} }},
		"import of a file": {"imports", "wasi_snapshot_preview1.path_open", func(b *build) {
			b.imports = []string{"wasi_snapshot_preview1.path_open"}
		}},
		"import of another type": {"imports", "imports idlehost.log as (i32, i32) -> (i32), should be (i32, i32, i32) -> ()", func(b *build) {
			b.imports = []string{"idlehost.log"}
		}},

		"no memory":            {"exports", `no memory "memory"`, func(b *build) { b.noMem = true }},
		"no on_timeout":        {"exports", "no function on_timeout of type () -> (i64)", func(b *build) { delete(b.funcs, "on_timeout") }},
		"on_close with result": {"exports", "on_close as () -> (i64), should be () -> ()", func(b *build) { b.funcs["on_close"] = b.funcs["on_accept"] }},
		"configure alone":      {"exports", "configure without configure_buffer", func(b *build) { delete(b.funcs, "configure_buffer") }},
		"format alone":         {"exports", "state_format without state_region", func(b *build) { delete(b.funcs, "state_region") }},
		"a command":            {"exports", "_start", func(b *build) { b.funcs["_start"] = function{} }},

		"traps at start": {"start", "_initialize", func(b *build) { b.funcs["_initialize"] = function{body: unreachable} }},
		"other version":  {"version", "abi_version is 2, should be 1", set("abi_version", i32c(2))},

		"buffer too small":   {"buffer", "63 bytes", set("event_buffer", i64c(63<<32|1024))},
		"buffer unaligned":   {"buffer", "not a multiple of 8", set("event_buffer", i64c(1680<<32|1028))},
		"buffer outside":     {"buffer", "outside the memory", set("event_buffer", i64c(1680<<32|65528))},
		"refuses no params":  {"buffer", "code 1", set("configure", i32c(1))},
		"unknown action":     {"answers", "unknown action 3", set("on_accept", i64c(3<<32))},
		"unknown flags":      {"answers", "unknown flags: 0x4", set("on_timeout", i64c(4<<40))},
		"bit 63":             {"answers", "bit 63", set("on_timeout", i64c(1<<63))},
		"trap":               {"answers", "unreachable", set("on_timeout", unreachable)},
		"trap at close":      {"answers", "on_close", set("on_close", unreachable)},
		"leases not covered": {"answers", "no room", set("event_buffer", i64c(300<<32|1024))},
		"trap for old hosts": {"older host", "event of 64 bytes", set("on_timeout",
			i32c(1024), []byte{0x2f, 1, 0}, i32c(440), []byte{0x49, 0x04, 0x40}, unreachable, []byte{0x0b}, i64c(0))},
		"reads unknown fields": {"newer host", "unknown fields", set("on_timeout",
			i32c(1024+444), []byte{0x35, 2, 0}, i64c(1<<32), []byte{0x84})},
		"chance": {"repeatable", "differently", func(b *build) {
			b.imports = []string{"wasi_snapshot_preview1.random_get"}
			b.funcs["_initialize"] = function{body: cat(i32c(4100), i32c(4), []byte{0x10, 0, 0x1a})}
			set("on_timeout", i32c(4100), []byte{0x35, 2, 0})(b)
		}},
		"buffer moves": {"stable addresses", "has become", set("event_buffer",
			i32c(4096), []byte{0x35, 2, 0}, i64c(8), []byte{0x7e}, i64c(1680<<32|1024), []byte{0x7c})},
		"memory leak": {"memory", "took all memory", set("on_timeout", i32c(1), []byte{0x40, 0, 0x1a}, i64c(0))},

		"room for no params":       {"configure", "no room", set("configure_buffer", i32c(0))},
		"params outside":           {"configure", "outside the memory", set("configure_buffer", i32c(65530))},
		"accepts nonsense":         {"configure", "accepts", set("configure", i32c(0))},
		"traps on nonsense":        {"configure", "unreachable", set("configure", []byte{0x20, 0, 0x04, 0x40}, unreachable, []byte{0x0b}, i32c(0))},
		"state too large":          {"state", "may have 65536", func(b *build) { b.pages = 3; set("state_region", i64c(65537<<32|4096))(b) }},
		"state unaligned":          {"state", "multiple of 8", set("state_region", i64c(8<<32|4097))},
		"state outside":            {"state", "outside the memory", set("state_region", i64c(64<<32|65528))},
		"state moves":              {"state", "has become", set("state_region", i32c(4096), []byte{0x35, 2, 0}, i64c(8), []byte{0x7e}, i64c(64<<32|4096), []byte{0x7c})},
		"state format changes":     {"state", "state_format was", set("state_format", i32c(4096), []byte{0x35, 2, 0})},
		"learned outside a region": {"state carries over", "answers differently", set("state_region", i64c(64<<32|6000))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := good()
			c.break_(b)
			broken, err := Check(t.Context(), b.bytes())
			if err != nil {
				t.Fatal(err)
			}
			if len(broken) == 0 {
				t.Fatal("no violation found")
			}
			first := broken[0]
			if first.Rule != c.rule || !strings.Contains(first.Err.Error(), c.says) {
				t.Errorf("rule %q: %v\nwant rule %q, and %q in it", first.Rule, first.Err, c.rule, c.says)
			}
		})
	}
}

func TestKitEndsWhatNeverReturns(t *testing.T) {
	b := good()
	set("on_timeout", []byte{0x03, 0x40, 0x0c, 0, 0x0b}, i64c(0))(b)
	m, err := compile(t.Context(), b.bytes())
	if err != nil {
		t.Fatal(err)
	}
	defer m.close(t.Context())
	m.callTime = 200 * time.Millisecond
	broken := m.check(t.Context())
	if len(broken) == 0 || !strings.Contains(broken[0].Err.Error(), "on_timeout did not return within 200ms") {
		t.Errorf("found %v", broken)
	}
}

func TestCheckRefusesRubbish(t *testing.T) {
	for _, wasm := range [][]byte{nil, []byte("not wasm"), good().bytes()[:40], make([]byte, moduleMax+1)} {
		if _, err := Check(t.Context(), wasm); err == nil {
			t.Errorf("%d bytes of rubbish compile", len(wasm))
		}
	}
}

func TestAsk(t *testing.T) {
	wasm := good().bytes()
	got, err := Ask(t.Context(), wasm, "",
		abi.Event{Kind: uint8(abi.KindAccept)},
		abi.Event{Kind: uint8(abi.KindTimeout), Requests: 40},
		abi.Event{Kind: uint8(abi.KindClose)})
	if err != nil || len(got) != 3 || got[1] != abi.Verdict(abi.ActionExtend, 41, 0, 0) || got[2] != 0 {
		t.Errorf("got %#x, error %v", got, err)
	}
	if _, err := Ask(t.Context(), wasm, "", abi.Event{Kind: 9}); err == nil {
		t.Error("an unknown kind is asked about")
	}
	if _, err := Ask(t.Context(), wasm, "a=1\n"); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("parameters refused by the guest: error %v", err)
	}
}
