package engine

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// Source is a policy to be loaded.
type Source struct {
	// Name is what logs call it.
	Name string
	// Wasm is the module. It is not kept.
	Wasm []byte
	// Params reach the guest through configure. Keys and values are UTF-8
	// without line feeds, at most 64 KiB together; a key has no "=".
	Params map[string]string
	// State is what an earlier instance or version had learned; it is used
	// if the guest declares the same format and size.
	State State
	// MemoryPages is how many pages of 64 KiB the guest's memory may have, where
	// its owner is given less than Config.MemoryPages; it is never more. 0: as
	// many as that.
	MemoryPages uint32
	// Quota is what the owner may use; nil: the policy has a fuel rate of its
	// own, and may be loaded as often as anybody likes.
	Quota *Quota
	// OwnFuel gives the policy a fuel rate of its own also where there is a
	// Quota: a check must not use the fuel of the owner's live policies.
	OwnFuel bool

	// Log takes what this policy says, in place of Config.Log. nil: that one
	// does.
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
