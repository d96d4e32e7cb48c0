package tck_test

import (
	"context"
	"fmt"

	"idlehost/plugins"
	"idlehost/sdk/abi"
	"idlehost/sdk/tck"
)

// A module that conforms breaks no rule.
func ExampleCheck() {
	wasm, _ := plugins.Lookup("fixed")
	broken, err := tck.Check(context.Background(), wasm)
	fmt.Println(len(broken), err)
	// Output: 0 <nil>
}

// What a policy answers when a connection has been idle for 31 seconds.
func ExampleAsk() {
	wasm, _ := plugins.Lookup("fixed")
	timeout := abi.Event{Kind: uint8(abi.KindTimeout), Phase: uint8(abi.PhaseIdle), IdleMs: 31_000, DeadlineMs: 30_000}
	verdicts, err := tck.Ask(context.Background(), wasm, "idle=30s\n", timeout)
	fmt.Println(len(verdicts), abi.Action(verdicts[0]>>32&0xff), err)
	// Output: 1 close <nil>
}
