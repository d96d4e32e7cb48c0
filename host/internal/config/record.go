package config

import (
	"fmt"
	"slices"
)

// Record is what is written down of the connections, for replays.
type Record struct {
	// File is a recording that begins with the host. If it is there, it is left
	// alone, and host-2.trace follows host.trace. Empty: there is none.
	File string `toml:"file,omitempty"`
	// Tenants are whose connections File is about. None: all tenants'.
	Tenants []string `toml:"tenants,omitempty"`
	// Dir is a directory for the recordings that operators have begun through
	// the admin API. Empty: they can not.
	Dir string `toml:"dir,omitempty"`
	// Sample is which part of the clients is recorded, over 0 and up to 1. It
	// bounds what the API may ask for, as MaxSize does.
	Sample float64 `toml:"sample"`
	// MaxSize bounds a file.
	MaxSize Size `toml:"max_size"`
	// Keep is how many complete files are left beside the current one, which
	// is followed by another when it is full: of host.trace, host-2.trace. 0:
	// the recording ends with the first.
	Keep int `toml:"keep"`
	// Sync has what is recorded survive a crash of the machine, not only of the
	// host: all but the last second.
	Sync bool `toml:"sync"`
}

// Bounds of Record.
const (
	minRecording = Size(1 << 20)
	minSample    = 1.0 / 65536
)

func (k checker) record() {
	r := k.c.Record
	if !(r.Sample >= minSample && r.Sample <= 1) { // NaN is neither
		k.bad("record.sample", fmt.Sprintf("%v is not over 0 and up to 1", r.Sample), "0.1 is a tenth of the clients, with all of their connections")
	}
	if r.MaxSize < minRecording {
		k.bad("record.max_size", fmt.Sprintf("%s is too small", r.MaxSize), "at least "+minRecording.String())
	}
	if r.Keep < 0 || r.Keep > 10_000 {
		k.bad("record.keep", fmt.Sprintf("%d is not from 0 to 10000", r.Keep), "")
	}
	if len(r.Tenants) > 0 && r.File == "" {
		k.bad("record.tenants", "nothing is recorded", "set file")
	}
	names := []string{k.c.Tenants.Default}
	for _, t := range k.c.Declared {
		names = append(names, t.Name)
	}
	for i, name := range r.Tenants {
		if k.c.Store.Dir == "" && !slices.Contains(names, name) {
			k.bad(Index("record.tenants", i), fmt.Sprintf("no tenant is called %q", name), nearest(name, names))
		}
	}
}
