package config

import (
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
)

// keyLines returns the line, from 1, of every key path of a TOML document
// that parses: listener[1].tls[0].cert, timeouts.idle, plugin.config."a b".
// Of a document that does not parse it returns what comes before the fault.
//
// The TOML library reports positions of syntax errors only, and merges the
// keys of all elements of an array of tables; errors that name the line of a
// bad value need this second look.
func keyLines(doc string) map[string]int {
	s := lineScanner{doc: doc, line: 1, lines: map[string]int{}, elements: map[string]int{}}
	for s.statement() {
	}
	return s.lines
}

type lineScanner struct {
	doc      string
	at, line int
	base     string         // the table that the last header opened
	lines    map[string]int // by path
	elements map[string]int // elements so far of an array of tables, by path
}

// statement reads one header or one assignment; false at the end or a fault.
func (s *lineScanner) statement() bool {
	s.blank(true)
	if s.at >= len(s.doc) {
		return false
	}
	if s.doc[s.at] == '[' {
		return s.header()
	}
	return s.assignment(s.base, 0)
}

func (s *lineScanner) header() bool {
	s.at++
	array := s.take('[')
	key, ok := s.key()
	if !ok || !s.take(']') || array && !s.take(']') {
		return false
	}
	path := ""
	for i, k := range key {
		path = join(path, k)
		n, isArray := s.elements[path]
		if last := i == len(key)-1; last && array {
			s.elements[path] = n + 1
			s.note(path)
			path = Index(path, n)
		} else if isArray && !last {
			path = Index(path, n-1)
		}
		s.note(path)
	}
	s.base = path
	return true
}

// assignment reads key = value under a table.
func (s *lineScanner) assignment(table string, depth int) bool {
	key, ok := s.key()
	if !ok || !s.take('=') {
		return false
	}
	for _, k := range key {
		table = join(table, k)
		s.note(table)
	}
	return s.value(table, depth)
}

// maxDepth bounds the nesting that is looked into, and with it the length of
// a path: the time for a hostile document grows with its length, not its
// square.
const maxDepth = 64

func (s *lineScanner) value(path string, depth int) bool {
	s.blank(false)
	if s.at >= len(s.doc) || depth > maxDepth {
		return false
	}
	switch s.doc[s.at] {
	case '"', '\'':
		_, ok := s.quoted()
		return ok
	case '[':
		return s.array(path, depth)
	case '{':
		return s.inline(path, depth)
	}
	start := s.at
	s.skipTo(",]}#\r\n")
	return s.at > start
}

func (s *lineScanner) array(path string, depth int) bool {
	s.at++
	for i := 0; ; i++ {
		s.blank(true)
		if s.take(']') {
			return true
		}
		element := Index(path, i)
		s.note(element)
		if !s.value(element, depth+1) {
			return false
		}
		s.blank(true)
		if !s.take(',') && !s.peek(']') {
			return false
		}
	}
}

func (s *lineScanner) inline(path string, depth int) bool {
	s.at++
	for {
		s.blank(true)
		if s.take('}') {
			return true
		}
		if !s.assignment(path, depth+1) {
			return false
		}
		s.blank(true)
		if !s.take(',') && !s.peek('}') {
			return false
		}
	}
}

// key reads a dotted key.
func (s *lineScanner) key() (parts []string, ok bool) {
	for {
		s.blank(false)
		part, ok := s.part()
		if !ok {
			return nil, false
		}
		parts = append(parts, part)
		if !s.take('.') {
			return parts, len(parts) <= maxDepth
		}
	}
}

func (s *lineScanner) part() (string, bool) {
	if s.peek('"') || s.peek('\'') {
		return s.quoted()
	}
	start := s.at
	s.skipTo(" \t\r\n.=]")
	return s.doc[start:s.at], s.at > start
}

// quoted reads a string of any of TOML's four kinds.
func (s *lineScanner) quoted() (string, bool) {
	quote := s.doc[s.at : s.at+1]
	if triple := strings.Repeat(quote, 3); strings.HasPrefix(s.doc[s.at:], triple) {
		return s.until(triple, true)
	}
	return s.until(quote, false)
}

// until reads a string to its closing delimiter.
func (s *lineScanner) until(end string, multiline bool) (string, bool) {
	s.at += len(end)
	for start := s.at; s.at < len(s.doc); s.at++ {
		switch c := s.doc[s.at]; {
		case c == '\\' && end[0] == '"':
			s.at++ // whatever is escaped does not end the string
			if s.peek('\n') {
				s.line++
			}
		case strings.HasPrefix(s.doc[s.at:], end):
			text := s.doc[start:s.at]
			s.at += len(end)
			for multiline && s.at < len(s.doc) && s.doc[s.at] == end[0] {
				s.at++ // up to two quotes may stand before the delimiter
			}
			return unescape(text, end[0]), true
		case c == '\n' && !multiline:
			return "", false
		case c == '\n':
			s.line++
		}
	}
	return "", false
}

// unescape undoes the escapes of a basic string; only keys need it.
func unescape(text string, quote byte) string {
	if quote == '\'' || !strings.Contains(text, `\`) {
		return text
	}
	// TOML 1.1 has two escapes that Go has not, or reads otherwise.
	text = strings.NewReplacer(`\\`, `\\`, `\e`, `\u001b`, `\x`, `\u00`).Replace(text)
	if u, err := strconv.Unquote(`"` + text + `"`); err == nil {
		return u
	}
	return text
}

// blank skips spaces and, when lines may end here, newlines and comments.
func (s *lineScanner) blank(newlines bool) {
	for ; s.at < len(s.doc); s.at++ {
		switch c := s.doc[s.at]; {
		case c == ' ' || c == '\t':
		case !newlines:
			return
		case c == '\n':
			s.line++
		case c == '\r':
		case c == '#':
			s.skipTo("\n")
			s.at--
		case strings.HasPrefix(s.doc[s.at:], "\ufeff"):
			s.at += len("\ufeff") - 1
		default:
			return
		}
	}
}

// take skips spaces and c; false, with nothing but spaces skipped, if c is
// not next.
func (s *lineScanner) take(c byte) bool {
	s.blank(false)
	if !s.peek(c) {
		return false
	}
	s.at++
	return true
}

// skipTo moves to the first of chars, or to the end.
func (s *lineScanner) skipTo(chars string) {
	if n := strings.IndexAny(s.doc[s.at:], chars); n >= 0 {
		s.at += n
	} else {
		s.at = len(s.doc)
	}
}

func (s *lineScanner) peek(c byte) bool { return s.at < len(s.doc) && s.doc[s.at] == c }

func (s *lineScanner) note(path string) {
	if _, ok := s.lines[path]; !ok {
		s.lines[path] = s.line
	}
}

func join(table, key string) string {
	key = toml.Key{key}.String()
	if table == "" {
		return key
	}
	return table + "." + key
}

// Index returns the key path of an element.
func Index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }
