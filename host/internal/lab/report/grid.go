package report

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// column is a column of numbers beside the names on the left.
type column struct {
	head  string
	rank  int // the higher, the earlier it gives way where room is short
	cells []string
}

// grid is names on the left and numbers on the right.
type grid struct {
	head    string
	names   []string
	columns []column
}

// least is the room that names keep.
const least = 12

// lines lays the grid out within a width: the least important columns give
// way, then names are cut.
func (g *grid) lines(width int) []string {
	columns := slices.Clone(g.columns)
	longest := utf8.RuneCountInString(g.head)
	for _, n := range g.names {
		longest = max(longest, utf8.RuneCountInString(n))
	}
	for len(columns) > 1 && min(longest, 24)+total(columns) > width {
		last := 0
		for i := range columns {
			if columns[i].rank >= columns[last].rank {
				last = i
			}
		}
		columns = slices.Delete(columns, last, last+1)
	}
	room := min(longest, max(width-total(columns), least))
	out := make([]string, 0, len(g.names)+1)
	for i := -1; i < len(g.names); i++ {
		var b strings.Builder
		name := g.head
		if i >= 0 {
			name = g.names[i]
		}
		name = cut(name, room)
		b.WriteString(name + strings.Repeat(" ", room-utf8.RuneCountInString(name)))
		for _, c := range columns {
			cell := c.head
			if i >= 0 {
				cell = c.cells[i]
			}
			b.WriteString(strings.Repeat(" ", 2+c.width()-utf8.RuneCountInString(cell)) + cell)
		}
		out = append(out, strings.TrimRight(b.String(), " "))
	}
	return out
}

func (c *column) width() int {
	w := utf8.RuneCountInString(c.head)
	for _, cell := range c.cells {
		w = max(w, utf8.RuneCountInString(cell))
	}
	return w
}

func total(columns []column) (n int) {
	for i := range columns {
		n += 2 + columns[i].width()
	}
	return n
}

// cut shortens a name in its middle: beginnings name policies, ends tell their
// parameters apart.
func cut(name string, room int) string {
	r := []rune(name)
	if len(r) <= room {
		return name
	}
	tail := (room - 1) / 2
	return string(r[:room-1-tail]) + "…" + string(r[len(r)-tail:])
}

// wrap breaks a text into lines, at spaces but not at nb.
func wrap(text, indent string, width int) []string {
	var lines []string
	line, n := indent, 0
	for word := range strings.SplitSeq(text, " ") {
		if n > 0 && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines = append(lines, line)
			line, n = strings.Repeat(" ", len(indent)), 0
		}
		if n > 0 {
			line += " "
		}
		line += word
		n++
	}
	return append(lines, line)
}
