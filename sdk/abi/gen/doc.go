package main

import (
	"bytes"
	"fmt"
)

// fillTables replaces what stands between
//
//	<!-- generated: NAME --> and <!-- /generated -->
//
// by the table of that name: event, gaps, enums or flags.
func (s *schema) fillTables(doc []byte) ([]byte, error) {
	tables := map[string]string{
		"event": fieldTable(s.Event), "gaps": fieldTable(s.Gaps),
		"enums": s.enumTables(), "flags": s.flagTable(),
	}
	for name, table := range tables {
		start := []byte(fmt.Sprintf("<!-- generated: %s -->\n", name))
		end := []byte("<!-- /generated -->")
		i := bytes.Index(doc, start)
		if i < 0 {
			return nil, fmt.Errorf("no place for table %q", name)
		}
		i += len(start)
		j := bytes.Index(doc[i:], end)
		if j < 0 {
			return nil, fmt.Errorf("table %q has no end", name)
		}
		doc = bytes.Join([][]byte{doc[:i], []byte(table), doc[i+j:]}, nil)
	}
	return doc, nil
}

func fieldTable(fields []field) string {
	var b bytes.Buffer
	b.WriteString("| offset | size | type | field | meaning |\n|---:|---:|---|---|---|\n")
	for _, f := range fields {
		typ := f.Type
		if f.n > 0 {
			typ = fmt.Sprintf("%s[%d]", f.Type, f.n)
		}
		fmt.Fprintf(&b, "| %d | %d | %s | `%s` | %s |\n", f.offset, f.size, typ, snake(f.Name), f.Doc)
	}
	return b.String()
}

func (s *schema) enumTables() string {
	var b bytes.Buffer
	for _, e := range s.Enums {
		fmt.Fprintf(&b, "**%s**: %s\n\n| value | name | meaning |\n|---:|---|---|\n", e.Name, e.Doc)
		for i, v := range e.Values {
			fmt.Fprintf(&b, "| %d | `%s` | %s |\n", i, snake(v.Name), v.Doc)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func (s *schema) flagTable() string {
	var b bytes.Buffer
	b.WriteString("| bit | name | meaning |\n|---:|---|---|\n")
	for i, v := range s.Flags {
		fmt.Fprintf(&b, "| %d | `%s` | %s |\n", i, snake(v.Name), v.Doc)
	}
	return b.String()
}
