// Package plugins holds the policies that come with the host, compiled and
// ready to load. Their sources lie beside them; build.sh rebuilds them.
package plugins

import (
	"embed"
	"strings"
)

//go:embed *.wasm
var modules embed.FS

//go:embed */README.md
var manuals embed.FS

const suffix = ".wasm"

// Lookup returns the module of a bundled policy by its name, with or without
// ".wasm". The caller owns the bytes.
func Lookup(name string) (wasm []byte, ok bool) {
	name = strings.TrimSuffix(name, suffix)
	if name == "" || strings.ContainsAny(name, `/\`) {
		return nil, false
	}
	wasm, err := modules.ReadFile(name + suffix)
	return wasm, err == nil
}

// Manual returns what a bundled policy does and which parameters it takes, in
// Markdown. The caller owns the bytes.
func Manual(name string) (text []byte, ok bool) {
	if _, ok := Lookup(name); !ok {
		return nil, false
	}
	text, err := manuals.ReadFile(strings.TrimSuffix(name, suffix) + "/README.md")
	return text, err == nil
}

// Names returns the names of the bundled policies, without ".wasm", sorted.
func Names() []string {
	entries, err := modules.ReadDir(".")
	if err != nil {
		panic("BUG: embedded directory cannot be read: " + err.Error())
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = strings.TrimSuffix(e.Name(), suffix)
	}
	return names
}
