package logs

import "fmt"

// jsonLines reads lines that are JSON objects each.
type jsonLines struct {
	schema
	dialect *dialect
	fields  map[string]field
	object  object
	cells   cells
}

// newJSON reads the first lines of a log.
func newJSON(lines [][]byte, cfg *Config) (*jsonLines, error) {
	d := dialectOf(lines)
	// Most servers write a line, and the time into it, when a request has ended.
	s, err := newSchema(cfg, !d.starts)
	if err != nil {
		return nil, err
	}
	fields, err := fieldsOf(d, cfg)
	if err != nil {
		return nil, err
	}
	l := &jsonLines{schema: s, dialect: d, fields: fields}
	l.object.visit = l.visit
	return l, nil
}

// dialectOf tells whose lines they are.
func dialectOf(lines [][]byte) *dialect {
	for _, line := range lines {
		seen := map[string]bool{}
		o := object{visit: func(path, _ []byte) { seen[string(path)] = true }}
		if o.walk(line) != nil {
			continue
		}
		for i := range dialects {
			if len(dialects[i].marks) > 0 && all(dialects[i].marks, seen) {
				return &dialects[i]
			}
		}
	}
	return &dialects[len(dialects)-1]
}

func all(marks []string, seen map[string]bool) bool {
	for _, m := range marks {
		if !seen[m] {
			return false
		}
	}
	return true
}

func (l *jsonLines) name() string {
	if l.dialect.name == "" {
		return "JSON"
	}
	return fmt.Sprintf("JSON (%s)", l.dialect.name)
}

func (l *jsonLines) visit(path, value []byte) {
	if f, ok := l.fields[string(path)]; ok {
		l.cells.put(f, value)
	}
}

func (l *jsonLines) parse(line []byte, r *row) error {
	l.cells = cells{}
	if err := l.object.walk(line); err != nil {
		return err
	}
	return l.row(&l.cells, r)
}
