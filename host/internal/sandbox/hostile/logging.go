package hostile

import (
	"bytes"
	"slices"

	"idlehost/host/internal/policy"
	w "idlehost/host/internal/sandbox/wasmtest"
)

// logging attacks the log, its readers and its parsers.
func logging() []Attack {
	i32 := w.I32
	log := host{from: "idlehost", name: "log", params: []byte{i32, i32, i32}}
	abort := host{from: "env", name: "abort", params: []byte{i32, i32, i32, i32}}
	write := wasiFunc("fd_write", i32, i32, i32, i32)
	const text = 4096 // where it lies
	said := func(name, what, line string) Attack {
		return attack("log-"+name, what, harmless(), func() []byte {
			m := log.module(accept(log.call(1, text, int64(len(line)))))
			m.Data = []w.Data{{Offset: text, Bytes: []byte(line)}}
			return m.Bytes()
		})
	}
	forged := "ok\ntime=2026-01-01T00:00:00Z level=ERROR msg=\"tenant suspended\" tenant=other"
	return []Attack{
		said("line-feeds", "A line holds a second one, forged in the host's own format.", forged),
		said("carriage-returns", "A line overwrites itself on a terminal.", "attack\r                \rnothing happened\r\n"),
		said("escapes", "A line clears the screen, changes colours and the title.", "\x1b[2J\x1b[31mred\x1b]0;title\x07\x9b0m"),
		said("controls", "A line holds every control character.", "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x0b\x0c\x0e\x0f\x1a\x7f\u0085\u009b"),
		said("invalid-utf8", "A line is not UTF-8.", "\xff\xfe\xc0\xaf\xed\xa0\x80\x80"),
		said("cut-utf8", "A line is cut inside a character.", string(bytes.Repeat([]byte("€"), 100))),
		said("line-separators", "A line holds separators that only some readers know.", "a\u2028b\u2029c\u0085d"),
		said("right-to-left", "A line turns the direction of what follows.", "\u202egnp.exe\u2066"),
		said("json", "A line closes the quotes of a JSON log.", `x"},{"level":"ERROR","msg":"forged"}`),
		said("format-verbs", "A line holds verbs of format strings.", "%s%s%n%!d(MISSING)%[99999]d%999999999d"),
		said("empty", "A line is empty.", ""),
		said("large", "A line has 60,000 bytes.", string(bytes.Repeat([]byte("A"), 60_000))),
		attack("log-flood", "A million lines are logged in a call.", atCall(policy.FaultFuel), log.module(w.Func{
			Export: "on_accept", Results: []byte{w.I64}, Locals: 1,
			Body: w.Code(times(1_000_000, 0, log.call(3, text, 40)), w.Const64(w.Extend60s)),
		}).Bytes),
		attack("log-burst", "Each question logs a hundred lines.", harmless(),
			log.module(accept(bytes.Repeat(log.call(3, text, 40), 100)), timeout(bytes.Repeat(log.call(3, text, 40), 100))).Bytes),
		attack("log-flood-at-init", "_initialize logs for ever.", atInit(policy.FaultFuel),
			log.module(procedure("_initialize", forever(log.call(3, text, 40)))).Bytes),
		attack("log-outside", "A line is outside the memory.", atCall(policy.FaultTrap), log.at(1, 65536, 1)),
		attack("log-of-4-gib", "A line is 4 GiB long.", atCall(policy.FaultTrap), log.at(1, 0, -1)),
		attack("log-wraps", "A line's address and length sum to 2^32.", atCall(policy.FaultTrap), log.at(1, -16, 16)),
		attack("log-level", "Levels are out of range.", harmless(),
			log.module(accept(log.call(-1<<31, text, 4), log.call(1<<31-1, text, 4), log.call(-1, text, 4))).Bytes),
		attack("log-unfinished", "Standard output gets a line without an end with every question.", harmless(), func() []byte {
			m := write.module(accept(bytes.Repeat(write.call(1, 0, 1, 512), 5)))
			m.Data = []w.Data{vectors(1, text, 200), {Offset: text, Bytes: bytes.Repeat([]byte("u"), 200)}}
			return m.Bytes()
		}),
		attack("log-line-feeds-only", "Standard error gets thousands of empty lines.", harmless(), func() []byte {
			m := write.module(accept(write.call(2, 0, 1, 512)))
			m.Data = []w.Data{vectors(1, text, 5000), {Offset: text, Bytes: bytes.Repeat([]byte("\n"), 5000)}}
			return m.Bytes()
		}),
		attack("abort-with-forged-text", "abort is given a message with line feeds and escapes.", atCall(policy.FaultTrap), func() []byte {
			m := abort.module(accept(abort.call(text+4, text+4, -1, -1)))
			m.Data = []w.Data{{Offset: text, Bytes: utf16("x\n\x1b[31m" + forged)}}
			return m.Bytes()
		}),
		attack("abort-with-wild-pointers", "abort is given addresses that no string is at.", atCall(policy.FaultTrap), abort.at(-1, 2, 0, 0)),
		attack("abort-with-odd-text", "abort is given an odd length of half surrogates.", atCall(policy.FaultTrap), func() []byte {
			m := abort.module(accept(abort.call(text+4, text+4, 1, 1)))
			m.Data = []w.Data{{Offset: text, Bytes: append([]byte{255, 255, 0, 0}, bytes.Repeat([]byte{0, 0xd8}, 300)...)}}
			return m.Bytes()
		}),
		attack("trap-in-named-function", "The function that traps has line feeds and escapes in its name.", atCall(policy.FaultTrap), func() []byte {
			name := slices.Concat(u(1), u(2), str("f\n\x1b[31m"+forged))
			return append(w.Guest(accept(w.Unreachable())).Bytes(), section(secCustom, str("name"), op(1), str(name))...)
		}),
		attack("refusal-forges", "configure refuses with a reason that forges a log line.", atInit(policy.FaultConfigure), func() []byte {
			in := []byte{i32}
			m := log.module(
				w.Func{Export: "configure_buffer", Params: in, Results: in, Body: w.Const32(8192)},
				w.Func{Export: "configure", Params: in, Results: in, Body: w.Code(log.call(3, text, int64(len(forged))), w.Const32(1))})
			m.Data = []w.Data{{Offset: text, Bytes: []byte(forged)}}
			return m.Bytes()
		}),
	}
}

// utf16 is a string as AssemblyScript keeps it: length in bytes, then text.
func utf16(s string) []byte {
	out := []byte{byte(2 * len(s)), byte(2 * len(s) >> 8), 0, 0}
	for _, c := range []byte(s) {
		out = append(out, c, 0)
	}
	return out
}
