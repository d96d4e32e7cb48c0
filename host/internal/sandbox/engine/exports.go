package engine

import (
	"idlehost/host/internal/sandbox/gate"
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
	exportCommand         = "_start"
)

func exports() []gate.Export {
	out32, out64 := []gate.ValType{gate.I32}, []gate.ValType{gate.I64}
	size32 := gate.FuncType{Params: []gate.ValType{gate.I32}, Results: out32}
	returns := func(results []gate.ValType) gate.FuncType { return gate.FuncType{Results: results} }
	return []gate.Export{
		{Name: exportVersion, Presence: gate.Required, Type: returns(out32)},
		{Name: exportEventBuffer, Presence: gate.Required, Type: returns(out64)},
		{Name: exportAccept, Presence: gate.Required, Type: returns(out64)},
		{Name: exportTimeout, Presence: gate.Required, Type: returns(out64)},
		{Name: exportClose},
		{Name: exportConfigureBuffer, Type: size32, With: exportConfigure},
		{Name: exportConfigure, Type: size32, With: exportConfigureBuffer},
		{Name: exportStateRegion, Type: returns(out64)},
		{Name: exportStateFormat, Type: returns(out64), With: exportStateRegion},
		{Name: exportInitialize},
		{Name: exportCommand, Presence: gate.Forbidden,
			Hint: "a policy is a library that stays, not a command that runs and ends (Go: build with -buildmode=c-shared)"},
	}
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
