package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
)

// MaxSize is the largest configuration that is looked at, in bytes.
const MaxSize = 1 << 20

// Parse lays a TOML document over the defaults. name is the file's name as
// the operator knows it: it stands in errors, and relative paths in the
// document start at its folder. The error is a Problems that names every
// unknown key and bad value by file, line and key; the Config beside it holds
// what could be read.
func Parse(name string, data []byte) (*Config, error) {
	c := Default()
	if len(data) > MaxSize {
		return c, Problems{{Origin: name, Text: fmt.Sprintf("file of %d bytes is larger than %d", len(data), MaxSize)}}
	}
	var tree map[string]any
	if _, err := toml.Decode(string(data), &tree); err != nil {
		return c, Problems{syntaxProblem(name, err)}
	}
	for path, line := range keyLines(string(data)) {
		c.origins[path] = name + ":" + strconv.Itoa(line)
	}
	d := decoder{origin: c.origin}
	d.table("", tree, reflect.ValueOf(c).Elem())
	c.anchor(filepath.Dir(name))
	c.check(&d.problems)
	return c, d.problems.err()
}

func syntaxProblem(name string, err error) Problem {
	var pe toml.ParseError
	if !errors.As(err, &pe) {
		return Problem{Origin: name, Text: strings.TrimPrefix(err.Error(), "toml: ")}
	}
	p := Problem{
		Origin: name + ":" + strconv.Itoa(max(pe.Position.Line, 1)),
		Key:    pe.LastKey,
		Text:   pe.Message,
	}
	if p.Text == "" { // the cause is an error of its own
		_, p.Text, _ = strings.Cut(strings.TrimPrefix(err.Error(), "toml: "), ": ")
	}
	return p
}

// anchor makes the paths of a file relative to its folder.
func (c *Config) anchor(dir string) {
	c.Plugin.Dir = dir
	paths := []*string{&c.Admin.TokenFile, &c.Admin.TLSCert, &c.Admin.TLSKey, &c.Admin.ClientCA, &c.Upstream.CA, &c.Store.Dir, &c.Record.File, &c.Record.Dir}
	for i := range c.Declared {
		c.Declared[i].Plugin.Dir = dir
	}
	for i := range c.Listeners {
		for j := range c.Listeners[i].TLS {
			pair := &c.Listeners[i].TLS[j]
			paths = append(paths, &pair.Cert, &pair.Key)
		}
	}
	for _, p := range paths {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(dir, *p)
		}
	}
}
