package logs

import (
	"bytes"
	"errors"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// deepest bounds how far objects lie in one another.
const deepest = 32

var (
	errObject = errors.New("not a JSON object")
	errDeep   = errors.New("objects lie too deep in one another")
)

// object reads the scalars of one JSON object, in a form that servers write
// who escape too much or too little: encoding/json refuses nginx's \x22, and
// makes one client of all whose names are not UTF-8. What it is told of an
// object that is JSON is what encoding/json would tell.
type object struct {
	// visit is told of every scalar by its path, keys joined by dots, strings
	// without quotes. The elements of an array have the array's path. Neither
	// is to be kept, but value is good until the next walk.
	visit func(path, value []byte)

	b       []byte
	path    []byte
	scratch []byte
}

// walk reads a line.
func (o *object) walk(line []byte) error {
	o.b, o.path, o.scratch = line, o.path[:0], o.scratch[:0]
	// What was unescaped is never longer, so scratch is not moved under the
	// values that lie in it.
	if cap(o.scratch) < len(line) {
		o.scratch = make([]byte, 0, 2*len(line))
	}
	if o.skip(); len(o.b) == 0 || o.b[0] != '{' {
		return errObject
	}
	if err := o.value(0); err != nil {
		return err
	}
	if o.skip(); len(o.b) > 0 {
		return errObject
	}
	return nil
}

func (o *object) skip() { o.b = bytes.TrimLeft(o.b, " \t\r\n") }

// next takes one byte, if it is c.
func (o *object) next(c byte) bool {
	if o.skip(); len(o.b) == 0 || o.b[0] != c {
		return false
	}
	o.b = o.b[1:]
	return true
}

func (o *object) value(depth int) error {
	if o.skip(); len(o.b) == 0 {
		return errObject
	}
	switch o.b[0] {
	case '{', '[':
		if depth == deepest {
			return errDeep
		}
		if o.b[0] == '{' {
			return o.members(depth + 1)
		}
		return o.elements(depth + 1)
	case '"':
		text, err := o.text()
		if err == nil {
			o.visit(o.path, text)
		}
		return err
	}
	n := bytes.IndexAny(o.b, ",]} \t\r\n")
	if n < 0 {
		n = len(o.b)
	}
	if n == 0 {
		return errObject
	}
	text := o.b[:n]
	o.b = o.b[n:]
	if string(text) != "null" {
		o.visit(o.path, text)
	}
	return nil
}

func (o *object) members(depth int) error {
	o.b = o.b[1:]
	if o.next('}') {
		return nil
	}
	for before := len(o.path); ; {
		if o.skip(); len(o.b) == 0 || o.b[0] != '"' {
			return errObject
		}
		key, err := o.text()
		if err != nil {
			return err
		}
		if before > 0 {
			o.path = append(o.path, '.')
		}
		o.path = append(o.path, key...)
		if !o.next(':') {
			return errObject
		}
		if err := o.value(depth); err != nil {
			return err
		}
		o.path = o.path[:before]
		if o.next('}') {
			return nil
		}
		if !o.next(',') {
			return errObject
		}
	}
}

func (o *object) elements(depth int) error {
	o.b = o.b[1:]
	if o.next(']') {
		return nil
	}
	for {
		if err := o.value(depth); err != nil {
			return err
		}
		if o.next(']') {
			return nil
		}
		if !o.next(',') {
			return errObject
		}
	}
}

// text takes a string.
func (o *object) text() ([]byte, error) {
	for i := 1; i < len(o.b); i++ {
		switch o.b[i] {
		case '"':
			text := o.b[1:i]
			o.b = o.b[i+1:]
			return text, nil
		case '\\':
			return o.escaped(i)
		}
	}
	return nil, errObject
}

// escaped takes a string of which the first escape is at i.
func (o *object) escaped(i int) ([]byte, error) {
	from := len(o.scratch)
	o.scratch = append(o.scratch, o.b[1:i]...)
	for i < len(o.b) {
		switch c := o.b[i]; {
		case c == '"':
			o.b = o.b[i+1:]
			return o.scratch[from:len(o.scratch):len(o.scratch)], nil
		case c != '\\' || i+1 == len(o.b):
			o.scratch = append(o.scratch, c)
			i++
		default:
			i += o.escape(o.b[i:])
		}
	}
	return nil, errObject
}

// escape writes what an escape stands for, and returns how long that is. One
// that is none stands for itself.
func (o *object) escape(b []byte) int {
	const plain, stands = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
	if i := bytes.IndexByte([]byte(plain), b[1]); i >= 0 {
		o.scratch = append(o.scratch, stands[i])
		return 2
	}
	switch {
	case b[1] == 'x' && hexadecimal(b, 2, 2) >= 0: // nginx
		o.scratch = append(o.scratch, byte(hexadecimal(b, 2, 2)))
		return 4
	case b[1] == 'u' && hexadecimal(b, 2, 4) >= 0:
		return o.unicode(b)
	}
	o.scratch = append(o.scratch, '\\')
	return 1
}

// unicode writes what \uXXXX, or two of them, stand for.
func (o *object) unicode(b []byte) int {
	c := hexadecimal(b, 2, 4)
	if utf16.IsSurrogate(c) {
		if len(b) > 7 && b[6] == '\\' && b[7] == 'u' {
			if both := utf16.DecodeRune(c, hexadecimal(b, 8, 4)); both != utf8.RuneError {
				o.scratch = utf8.AppendRune(o.scratch, both)
				return 12
			}
		}
		c = utf8.RuneError
	}
	o.scratch = utf8.AppendRune(o.scratch, c)
	return 6
}

// hexadecimal returns the number that n digits from at on are, -1 if there are
// others.
func hexadecimal(b []byte, at, n int) rune {
	if len(b) < at+n {
		return -1
	}
	c, err := strconv.ParseUint(string(b[at:at+n]), 16, 32)
	if err != nil {
		return -1
	}
	return rune(c)
}
