package engine

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// Source is a policy to load.
type Source struct {
	// Name is what logs call it.
	Name string
	// Wasm is the module. It is not kept.
	Wasm []byte
	// Params are passed to configure. Keys and values are UTF-8 without line feeds, at
	// most 64 KiB together; a key has no "=".
	Params map[string]string
	// State is the learned state of an earlier instance or version; it is restored if
	// the guest declares the same format and size.
	State State
	// MemoryPages lowers Config.MemoryPages for this policy's owner. 0, or more: no
	// effect.
	MemoryPages uint32
	// Quota bounds what the owner uses. nil: the policy has a fuel rate of its own, and
	// loading is not bounded.
	Quota *Quota
	// OwnFuel gives the policy a fuel rate of its own even if there is a Quota: a check
	// must not use the fuel of the owner's live policies.
	OwnFuel bool

	// Log gets this policy's lines in place of Config.Log. nil: Config.Log.
	Log func(module string, level int, msg string)
}

// paramBytes bounds what configure is given.
const paramBytes = 64 << 10

// paramLines returns the parameters as the guest gets them: "key=value\n" by key.
func paramLines(params map[string]string) ([]byte, error) {
	var b []byte
	for _, key := range slices.Sorted(maps.Keys(params)) {
		value := params[key]
		switch {
		case key == "" || strings.ContainsAny(key, "=\n") || !utf8.ValidString(key):
			return nil, fmt.Errorf("parameter name %q is not UTF-8 without \"=\" and line feeds", key)
		case strings.Contains(value, "\n") || !utf8.ValidString(value):
			return nil, fmt.Errorf("value of parameter %q is not UTF-8 without line feeds", key)
		}
		b = fmt.Appendf(b, "%s=%s\n", key, value)
	}
	if len(b) > paramBytes {
		return nil, fmt.Errorf("parameters take %d bytes, more than %d", len(b), paramBytes)
	}
	return b, nil
}
