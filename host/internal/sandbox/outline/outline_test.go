package outline

import (
	"bytes"
	"encoding/binary"
	"testing"
)

func section(id byte, content ...byte) []byte {
	return append([]byte{id, byte(len(content))}, content...)
}

func module(sections ...[]byte) []byte {
	return append([]byte("\x00asm\x01\x00\x00\x00"), bytes.Join(sections, nil)...)
}

// TestOf: all sections are there, in their order, and as many functions, all empty.
func TestOf(t *testing.T) {
	types := section(1, 1, 0x60, 0, 1, 0x7f)
	two, data := section(3, 2, 0, 0), section(11, 0)
	code := section(10, 2, 4, 0, 0x41, 1, 0x0b, 6, 1, 1, 0x7f, 0x41, 2, 0x0b)
	wasm := module(types, two, code, data)
	got, err := Of(wasm)
	if err != nil {
		t.Fatal(err)
	}
	want := module(types, two, section(10, 2, 3, 0, 0, 0x0b, 3, 0, 0, 0x0b), data, []byte{0, 35, 2, 'o', 'f'})
	if !bytes.HasPrefix(got, want) || len(got) != len(want)+32 {
		t.Errorf("got %x, want %x", got, want)
	}
	wasm[len(wasm)-len(data)-2] = 3 // the last constant
	if other, err := Of(wasm); err != nil || bytes.Equal(other, got) {
		t.Errorf("of another module: %x, %v", other, err)
	}
}

// TestOfNonsense is an error, whatever it claims.
func TestOfNonsense(t *testing.T) {
	for _, wasm := range [][]byte{
		nil, module()[:7],
		module([]byte{10}), module([]byte{10, 5, 1}), module(section(10)),
		module(section(10, 200, 1)), // more functions than bytes
		module(append([]byte{1}, bytes.Repeat([]byte{0xff}, 11)...)),
		module(append([]byte{10, 10}, binary.AppendUvarint(nil, 1<<63)...)),
	} {
		if out, err := Of(wasm); err == nil {
			t.Errorf("%x has the outline %x", wasm, out)
		}
	}
}

// TestOfManyFunctions: lengths of more than one byte.
func TestOfManyFunctions(t *testing.T) {
	body := bytes.Repeat([]byte{2, 0, 0x0b}, 300)
	content := append(binary.AppendUvarint(nil, 300), body...)
	out, err := Of(append(module([]byte{10}), append(binary.AppendUvarint(nil, uint64(len(content))), content...)...))
	if err != nil {
		t.Fatal(err)
	}
	size, n := binary.Uvarint(out[9:])
	if size != 2+300*4 || len(out) != 9+n+int(size)+37 {
		t.Errorf("%d bytes, code of %d", len(out), size)
	}
}
