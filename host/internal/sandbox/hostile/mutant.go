package hostile

import (
	"math/rand/v2"
	"slices"
)

// Mutant returns a copy of a module with a few edits. It is the same for the
// same seed. Half of the mutants keep their length, so that they are read to
// the end more often.
func Mutant(wasm []byte, seed uint64) []byte {
	rng := rand.New(rand.NewPCG(seed, uint64(len(wasm))))
	out := slices.Clone(wasm)
	keep := rng.IntN(2) == 0
	for range 1 + rng.IntN(3) {
		out = edit(rng, out, keep)
	}
	return out
}

// edit changes a few bytes. It leaves the header alone, mostly: behind a wrong
// one nothing is read.
func edit(rng *rand.Rand, b []byte, keep bool) []byte {
	if len(b) < 9 || rng.IntN(200) == 0 {
		return append(b, byte(rng.Uint32()))
	}
	at := 8 + rng.IntN(len(b)-8)
	n := min(1+rng.IntN(16), len(b)-at)
	kind := rng.IntN(8)
	if keep {
		kind %= 5
	}
	switch kind {
	case 0:
		b[at] ^= 1 << rng.IntN(8)
	case 1:
		b[at] = byte(rng.Uint32())
	case 2:
		b[at] = telling[rng.IntN(len(telling))]
	case 3:
		b[at] += byte(1 - 2*rng.IntN(2))
	case 4: // a run of bytes from elsewhere
		from := 8 + rng.IntN(len(b)-8)
		copy(b[at:], slices.Clone(b[from:min(from+n, len(b))]))
	case 5: // a run of bytes again
		b = slices.Insert(b, at, slices.Clone(b[at:at+n])...)
	case 6: // away with it
		b = slices.Delete(b, at, at+n)
	case 7: // a large number
		b = slices.Replace(b, at, at+1, []byte{0xff, 0xff, 0xff, 0xff, 0x0f}...)
	}
	return b
}

// telling are bytes that mean something in many places: opcodes, types, ends
// of numbers.
const telling = "\x00\x01\x02\x03\x04\x05\x0b\x0c\x0d\x0e\x0f\x10\x11\x1a\x20\x23\x24\x3f\x40\x41\x42\x60\x6f\x70\x7b\x7c\x7e\x7f\x80\xd2\xfc\xfd\xff"

// Seeds returns the modules of the corpus of at most most bytes: what a fuzz
// test of a decoder begins with.
func Seeds(most int) (seeds [][]byte) {
	for _, a := range Corpus() {
		if wasm := a.Wasm(); len(wasm) <= most {
			seeds = append(seeds, wasm)
		}
	}
	return seeds
}
