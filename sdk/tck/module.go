package tck

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tetratelabs/wazero/api"
)

const (
	i32 = api.ValueTypeI32
	i64 = api.ValueTypeI64
)

// signature is a function type, written as in "(i32, i32) -> i64".
type signature string

func signatureOf(f api.FunctionDefinition) signature {
	names := func(types []api.ValueType) string {
		s := make([]string, len(types))
		for i, t := range types {
			s[i] = api.ValueTypeName(t)
		}
		return strings.Join(s, ", ")
	}
	return signature("(" + names(f.ParamTypes()) + ") -> (" + names(f.ResultTypes()) + ")")
}

// allowed returns the functions that a guest may import, by module and name.
func allowed() map[string]signature {
	return map[string]signature{
		"idlehost.log": "(i32, i32, i32) -> ()",
		"env.abort":    "(i32, i32, i32, i32) -> ()",

		"wasi_snapshot_preview1.args_get":            "(i32, i32) -> (i32)",
		"wasi_snapshot_preview1.args_sizes_get":      "(i32, i32) -> (i32)",
		"wasi_snapshot_preview1.clock_time_get":      "(i32, i64, i32) -> (i32)",
		"wasi_snapshot_preview1.environ_get":         "(i32, i32) -> (i32)",
		"wasi_snapshot_preview1.environ_sizes_get":   "(i32, i32) -> (i32)",
		"wasi_snapshot_preview1.fd_close":            "(i32) -> (i32)",
		"wasi_snapshot_preview1.fd_fdstat_get":       "(i32, i32) -> (i32)",
		"wasi_snapshot_preview1.fd_fdstat_set_flags": "(i32, i32) -> (i32)",
		"wasi_snapshot_preview1.fd_prestat_get":      "(i32, i32) -> (i32)",
		"wasi_snapshot_preview1.fd_prestat_dir_name": "(i32, i32, i32) -> (i32)",
		"wasi_snapshot_preview1.fd_write":            "(i32, i32, i32, i32) -> (i32)",
		"wasi_snapshot_preview1.poll_oneoff":         "(i32, i32, i32, i32) -> (i32)",
		"wasi_snapshot_preview1.proc_exit":           "(i32) -> ()",
		"wasi_snapshot_preview1.random_get":          "(i32, i32) -> (i32)",
		"wasi_snapshot_preview1.sched_yield":         "() -> (i32)",
	}
}

func checkImports(_ context.Context, m *machine) error {
	var wrong []error
	for _, f := range m.code.ImportedFunctions() {
		module, name, _ := f.Import()
		want, ok := allowed()[module+"."+name]
		switch got := signatureOf(f); {
		case !ok:
			wrong = append(wrong, fmt.Errorf("imports %s.%s, which no policy may", module, name))
		case got != want:
			wrong = append(wrong, fmt.Errorf("imports %s.%s as %s, should be %s", module, name, got, want))
		}
	}
	if n := len(m.code.ImportedMemories()); n > 0 {
		wrong = append(wrong, errors.New("imports its memory, should have one of its own"))
	}
	return errors.Join(wrong...)
}

func checkExports(_ context.Context, m *machine) error {
	have := m.code.ExportedFunctions()
	required := []string{"abi_version", "event_buffer", "on_accept", "on_timeout"}
	known := map[string]signature{
		"abi_version":      "() -> (i32)",
		"event_buffer":     "() -> (i64)",
		"on_accept":        "() -> (i64)",
		"on_timeout":       "() -> (i64)",
		"on_close":         "() -> ()",
		"configure_buffer": "(i32) -> (i32)",
		"configure":        "(i32) -> (i32)",
		"state_region":     "() -> (i64)",
		"state_format":     "() -> (i64)",
		"_initialize":      "() -> ()",
	}
	var wrong []error
	for name, want := range known {
		f, ok := have[name]
		switch {
		case !ok && slices.Contains(required, name):
			wrong = append(wrong, fmt.Errorf("exports no function %s of type %s", name, want))
		case ok && signatureOf(f) != want:
			wrong = append(wrong, fmt.Errorf("exports %s as %s, should be %s", name, signatureOf(f), want))
		}
	}
	for _, pair := range [][2]string{
		{"configure", "configure_buffer"}, {"configure_buffer", "configure"}, {"state_format", "state_region"},
	} {
		if have[pair[0]] != nil && have[pair[1]] == nil {
			wrong = append(wrong, fmt.Errorf("exports %s without %s", pair[0], pair[1]))
		}
	}
	if have["_start"] != nil {
		wrong = append(wrong, errors.New("exports _start: a policy is a library that stays, not a command that runs and ends"))
	}
	if m.code.ExportedMemories()["memory"] == nil {
		wrong = append(wrong, errors.New(`exports no memory "memory"`))
	}
	return errors.Join(wrong...)
}
