package config

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Problem is one thing wrong with a configuration.
type Problem struct {
	Origin string // "host.toml:12", "--listen"; empty where nothing was said
	Key    string // the key path, such as listener[0].address; empty for syntax
	Text   string // what is wrong
	Hint   string // what would be right; may be empty
}

// Error names origin, key and cause.
func (p Problem) Error() string {
	var b strings.Builder
	for _, s := range []string{p.Origin, p.Key} {
		if s != "" {
			b.WriteString(s)
			b.WriteString(": ")
		}
	}
	b.WriteString(p.Text)
	return b.String()
}

// Problems is every problem of a configuration, in the order of the file.
type Problems []Problem

// Error has one line per problem.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// err returns nil for none, and the problems sorted by line otherwise.
func (ps Problems) err() error {
	if len(ps) == 0 {
		return nil
	}
	slices.SortStableFunc(ps, func(a, b Problem) int { return cmp.Compare(a.line(), b.line()) })
	return ps
}

func (p Problem) line() int {
	n, _ := strconv.Atoi(p.Origin[strings.LastIndexByte(p.Origin, ':')+1:])
	return n
}

// most is how many problems are worth reading at once.
const most = 100

func (ps *Problems) add(origin, key, text, hint string) {
	if len(*ps) == most {
		return
	}
	for _, p := range *ps {
		if p.Key == key && key != "" {
			return // the first cause explains those that follow from it
		}
	}
	*ps = append(*ps, Problem{Origin: origin, Key: key, Text: text, Hint: hint})
}

// Problem returns, as Problems, what is found wrong with the value at a key
// path when it is put to use.
func (c *Config) Problem(path, text, hint string) error {
	return Problems{{Origin: c.origin(path), Key: path, Text: text, Hint: hint}}
}

// Set notes that the value at a key path was said by origin, such as a flag.
func (c *Config) Set(path, origin string) {
	if c.origins == nil {
		c.origins = map[string]string{}
	}
	c.origins[path] = origin
}

// origin returns who said the value at a path, or failing that what holds it:
// a key that is missing is missing from its table.
func (c *Config) origin(path string) string {
	for path != "" {
		if o, ok := c.origins[path]; ok {
			return o
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return ""
}
