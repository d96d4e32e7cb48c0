//go:build wasip1

// Command goguest is a policy written against the bare ABI in Go, with as
// much of the standard library as a policy has a use for: what it imports of
// WASI is what the engine must have.
package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"time"
	"unsafe"
)

var event [512]byte

//go:wasmexport abi_version
func version() int32 { return 1 }

//go:wasmexport event_buffer
func buffer() int64 { return 512<<32 | int64(uintptr(unsafe.Pointer(&event))) }

// accept answers with the clock's last digits, after a sleep that must end.
//
//go:wasmexport on_accept
func accept() int64 {
	start := time.Now()
	time.Sleep(time.Hour)
	fmt.Fprintln(os.Stderr, "args", len(os.Args), "environ", len(os.Environ()), "slept", time.Since(start), rand.IntN(1))
	return 1<<32 | start.UnixMilli()%1e6
}

//go:wasmexport on_timeout
func timeout() int64 { panic("no answer") }

func main() {}
