package logs

import (
	"bytes"
	"fmt"
)

// mostColumns bounds how wide a table is.
const mostColumns = 256

// tsv reads a table: a line of names, and lines of as many values.
type tsv struct {
	schema
	fields []field // by position; of no use: column is columns
	cells  cells
}

// newTSV reads the first line of a table.
func newTSV(head []byte, cfg *Config) (*tsv, error) {
	s, err := newSchema(cfg, false)
	if err != nil {
		return nil, err
	}
	known, err := fieldsOf(&dialects[len(dialects)-1], cfg)
	if err != nil {
		return nil, err
	}
	t := &tsv{schema: s}
	var have [columns]bool
	for name := range bytes.SplitSeq(head, []byte{'\t'}) {
		f, ok := known[string(bytes.TrimSpace(name))]
		if !ok {
			f.column = columns
		} else {
			have[f.column] = true
		}
		if t.fields = append(t.fields, f); len(t.fields) > mostColumns {
			return nil, fmt.Errorf("%w: more than %d columns", ErrFormat, mostColumns)
		}
	}
	for c, needed := range map[column]bool{colTime: true, colClient: true, colAgent: t.agents} {
		if needed && !have[c] {
			return nil, fmt.Errorf("%w: no column is the %s: the first line is %q", ErrFormat, columnNames[c], excerpt(head))
		}
	}
	return t, nil
}

func (t *tsv) name() string { return "TSV" }

func (t *tsv) parse(line []byte, r *row) error {
	t.cells = cells{}
	n := 0
	for rest := line; ; n++ {
		value := rest
		i := bytes.IndexByte(rest, '\t')
		if i >= 0 {
			value, rest = rest[:i], rest[i+1:]
		}
		if n == len(t.fields) {
			return fmt.Errorf("more than %d columns", n)
		}
		if f := t.fields[n]; f.column < columns {
			t.cells.put(f, value)
		}
		if i < 0 {
			break
		}
	}
	if n++; n < len(t.fields) {
		return fmt.Errorf("%d columns, not %d", n, len(t.fields))
	}
	return t.row(&t.cells, r)
}
