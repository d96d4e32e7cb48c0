package engine

import (
	"fmt"
	"slices"

	"github.com/tetratelabs/wazero/api"

	"idlehost/sdk/abi"
)

// Names of what a guest exports; sdk/ABI.md, "What a guest exports".
const (
	exportMemory          = "memory"
	exportInitialize      = "_initialize"
	exportVersion         = "abi_version"
	exportEventBuffer     = "event_buffer"
	exportAccept          = "on_accept"
	exportTimeout         = "on_timeout"
	exportClose           = "on_close"
	exportConfigureBuffer = "configure_buffer"
	exportConfigure       = "configure"
	exportStateRegion     = "state_region"
	exportStateFormat     = "state_format"
	exportStart           = "_start"
)

type export struct {
	name            string
	required        bool
	params, results []api.ValueType
}

func exports() []export {
	in, out32, out64 := []api.ValueType{i32}, []api.ValueType{i32}, []api.ValueType{i64}
	return []export{
		{name: exportVersion, required: true, results: out32},
		{name: exportEventBuffer, required: true, results: out64},
		{name: exportAccept, required: true, results: out64},
		{name: exportTimeout, required: true, results: out64},
		{name: exportClose},
		{name: exportConfigureBuffer, params: in, results: out32},
		{name: exportConfigure, params: in, results: out32},
		{name: exportStateRegion, results: out64},
		{name: exportStateFormat, results: out64},
		{name: exportInitialize},
	}
}

// pairs are exports of which the first makes no sense without the second.
func pairs() [][2]string {
	return [][2]string{
		{exportConfigure, exportConfigureBuffer},
		{exportConfigureBuffer, exportConfigure},
		{exportStateFormat, exportStateRegion},
	}
}

// checkExports says everything that is missing or has the wrong shape.
func checkExports(a *admission) error {
	have := a.code.ExportedFunctions()
	var wrong []error
	for _, want := range exports() {
		f, ok := have[want.name]
		switch {
		case !ok && want.required:
			wrong = append(wrong, fmt.Errorf("exports no function %q of type %s", want.name, signature(want.params, want.results)))
		case ok && !(slices.Equal(f.ParamTypes(), want.params) && slices.Equal(f.ResultTypes(), want.results)):
			wrong = append(wrong, fmt.Errorf("exports %q as %s, should be %s", want.name,
				signature(f.ParamTypes(), f.ResultTypes()), signature(want.params, want.results)))
		}
	}
	for _, p := range pairs() {
		if have[p[0]] != nil && have[p[1]] == nil {
			wrong = append(wrong, fmt.Errorf("exports %q without %q", p[0], p[1]))
		}
	}
	if have[exportStart] != nil {
		wrong = append(wrong, fmt.Errorf("exports %q: a policy is a library that stays, not a command that runs and ends (Go: build with -buildmode=c-shared)", exportStart))
	}
	if a.code.ExportedMemories()[exportMemory] == nil {
		wrong = append(wrong, fmt.Errorf("exports no memory %q", exportMemory))
	}
	return join(wrong)
}

// checkMemory holds the memory that the module starts with against the limit.
func checkMemory(a *admission) error {
	pages, limit := a.code.ExportedMemories()[exportMemory].Min(), a.engine.cfg.memoryPages()
	if pages > limit {
		return fmt.Errorf("starts with %d pages of memory, the limit is %d pages (%d KiB)", pages, limit, uint64(limit)*pageBytes>>10)
	}
	return nil
}

// hookName returns the export that answers a kind of question.
func hookName(kind uint8) string {
	switch abi.Kind(kind) {
	case abi.KindAccept:
		return exportAccept
	case abi.KindTimeout:
		return exportTimeout
	}
	return exportClose
}
