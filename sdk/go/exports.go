//go:build wasip1

package policy

import (
	"unsafe"

	"idlehost/sdk/abi"
)

// The module's one guest. Package-level because the ABI's exports carry no
// receiver and its addresses must not move.
var self guest

// Register makes p the module's policy. Call it once, in init: a reactor
// module's main is never run.
func Register(p Policy) {
	if err := self.register(p); err != nil {
		panic(err.Error())
	}
}

//go:wasmexport abi_version
func abiVersion() int32 { return abi.Version }

//go:wasmexport event_buffer
func eventBuffer() int64 { return region(unsafe.Pointer(&self.event), abi.BufferSize) }

//go:wasmexport on_accept
func onAccept() int64 { return self.accept() }

//go:wasmexport on_timeout
func onTimeout() int64 { return self.timeout() }

//go:wasmexport on_close
func onClose() { self.closed() }

//go:wasmexport configure_buffer
func configureBuffer(n int32) int32 {
	if !self.fits(n) {
		return 0
	}
	return int32(uintptr(unsafe.Pointer(&self.params)))
}

//go:wasmexport configure
func configure(n int32) int32 {
	if err := self.configure(n); err != nil {
		Log(LevelError, err.Error())
		return 1
	}
	return 0
}

//go:wasmexport state_region
func stateRegion() int64 {
	return region(unsafe.Pointer(unsafe.SliceData(self.state)), len(self.state))
}

//go:wasmexport state_format
func stateFormat() int64 { return self.format }

// region packs an address and a size as the ABI returns them.
func region(p unsafe.Pointer, size int) int64 {
	if size == 0 {
		return 0
	}
	return int64(size)<<32 | int64(uint32(uintptr(p)))
}

// Log writes a line to the host's log; the host keeps the first LogMax bytes,
// and limits the rate.
func Log(l Level, text string) {
	text = logText(text)
	hostLog(int32(l), unsafe.Pointer(unsafe.StringData(text)), int32(len(text)))
}

//go:wasmimport idlehost log
func hostLog(level int32, text unsafe.Pointer, size int32)
