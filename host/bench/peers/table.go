package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// show renders a former run.
func (p *plan) show() error {
	raw, err := os.ReadFile(p.table)
	if err != nil {
		return err
	}
	all, err := parseRecords(string(raw))
	if err != nil {
		return fmt.Errorf("%s: %w", p.table, err)
	}
	if len(all) == 0 {
		return fmt.Errorf("%s: no results", p.table)
	}
	return p.render(all)
}

// render prints the tables, or puts them into a document.
func (p *plan) render(all []record) error {
	text := tables(all)
	if p.doc == "" {
		_, err := fmt.Print(text)
		return err
	}
	doc, err := os.ReadFile(p.doc)
	if err != nil {
		return err
	}
	whole, err := splice(string(doc), text)
	if err != nil {
		return fmt.Errorf("%s: %w", p.doc, err)
	}
	return os.WriteFile(p.doc, []byte(whole), 0o644)
}

const (
	begin = "<!-- peers: written by make bench-peers -->\n"
	end   = "<!-- /peers -->\n"
)

// splice replaces what stands between the markers.
func splice(doc, text string) (string, error) {
	head, rest, ok := strings.Cut(doc, begin)
	_, tail, closed := strings.Cut(rest, end)
	if !ok || !closed {
		return "", fmt.Errorf("no markers %q and %q", strings.TrimSpace(begin), strings.TrimSpace(end))
	}
	return head + begin + text + end + tail, nil
}

// sheet collects results by row, case, size and unit, then by contestant.
type sheet struct {
	proxies []string // those with results, in the order of contestants
	cells   map[key]map[string][]float64
	sizes   map[string][]int // by row, ascending
}

type key struct {
	row, name string
	size      int
	unit      string
}

func newSheet(all []record) *sheet {
	s := &sheet{cells: map[key]map[string][]float64{}, sizes: map[string][]int{}}
	for _, r := range all {
		if !slices.Contains(s.sizes[r.Row], r.Size) {
			s.sizes[r.Row] = append(s.sizes[r.Row], r.Size)
		}
		if !slices.Contains(s.proxies, r.Proxy) {
			s.proxies = append(s.proxies, r.Proxy)
		}
		for _, v := range r.Values {
			k := key{r.Row, r.Case, r.Size, v.Unit}
			if s.cells[k] == nil {
				s.cells[k] = map[string][]float64{}
			}
			s.cells[k][r.Proxy] = append(s.cells[k][r.Proxy], v.Value)
		}
	}
	for _, list := range s.sizes {
		slices.Sort(list)
	}
	order := names(contestants)
	slices.SortStableFunc(s.proxies, func(a, b string) int { return slices.Index(order, a) - slices.Index(order, b) })
	return s
}

// median returns the middle over the rounds.
func (s *sheet) median(k key, proxy string) (float64, bool) {
	v := slices.Sorted(slices.Values(s.cells[k][proxy]))
	n := len(v)
	if n == 0 {
		return 0, false
	}
	return (v[(n-1)/2] + v[n/2]) / 2, true
}

// heading begins a table with a column for each contestant.
func (s *sheet) heading(b *strings.Builder, title string) {
	fmt.Fprintf(b, "\n| %s |", title)
	for _, p := range s.proxies {
		fmt.Fprintf(b, " %s |", titleOf(p))
	}
	fmt.Fprintf(b, "\n|---|%s\n", strings.Repeat("---:|", len(s.proxies)))
}

// line writes a row of a table, unless nobody has a value.
func (s *sheet) line(b *strings.Builder, title string, cell func(proxy string) string) {
	var cells []string
	for _, p := range s.proxies {
		cells = append(cells, cell(p))
	}
	if !slices.ContainsFunc(cells, func(c string) bool { return c != "-" }) {
		return
	}
	fmt.Fprintf(b, "| %s | %s |\n", title, strings.Join(cells, " | "))
}
