package hostile

import (
	"bytes"
	"slices"
	"strings"

	w "idlehost/host/internal/sandbox/wasmtest"
)

// names attacks the readers of names and custom sections.
func names() []Attack {
	export := func(name, what, text string) Attack {
		return attack("name-"+name, what, refused("name"),
			func() []byte { return w.Guest(procedure(text)).Bytes() })
	}
	custom := func(content ...[]byte) func() []byte {
		return func() []byte { return append(w.Guest().Bytes(), section(secCustom, content...)...) }
	}
	return []Attack{
		export("overlong-utf8", "A name writes a slash in two bytes, to pass who looks for it.", "a\xc0\xafb"),
		export("surrogate", "A name holds half a surrogate pair.", "a\xed\xa0\x80b"),
		export("cut-utf8", "A name ends inside a character.", "a\xe2\x82"),
		attack("name-longer-than-module", "A name is said to be 2^32-1 bytes long.", refused("truncated"),
			raw(section(secImport, u(1), u(most)))),
		attack("name-of-a-megabyte", "A required export is missing, and one of a megabyte is there to be quoted.", refused("export"),
			func() []byte {
				return w.Guest(procedure(strings.Repeat("x", 1<<20))).Without("on_accept").Bytes()
			}),
		attack("custom-sections-100-thousand", "A hundred thousand custom sections have no content.", harmless(),
			func() []byte {
				return append(w.Guest().Bytes(), bytes.Repeat(section(secCustom, str("")), 100_000)...)
			}),
		attack("custom-name-outside", "A custom section's name reaches over its end.", refused("truncated"),
			custom(u(most))),
		attack("name-section-bomb", "The name section declares names for 2^32-1 functions.", harmless(),
			custom(str("name"), op(1), str(u(most)))),
		attack("name-section-locals-bomb", "The name section declares names for 2^28 locals of 2^28 functions.", harmless(),
			custom(str("name"), op(2), str(slices.Concat(u(1<<28), u(0), u(1<<28))))),
		attack("name-section-malformed", "The name section ends inside its module name.", harmless(),
			custom(str("name"), op(0), u(50), u(49), []byte("short"))),
		attack("name-section-large", "The name section names one function with a megabyte.", harmless(),
			func() []byte {
				return custom(str("name"), op(1), str(slices.Concat(u(1), u(2), str(strings.Repeat("n", 1<<20)))))()
			}),
		attack("debug-section-garbage", "Sections named like debugging information hold garbage.", harmless(),
			func() []byte {
				out := w.Guest().Bytes()
				for _, name := range []string{".debug_info", ".debug_abbrev", ".debug_line", ".debug_str", ".debug_ranges"} {
					out = append(out, section(secCustom, str(name), bytes.Repeat(op(0xff), 4096))...)
				}
				return out
			}),
	}
}
