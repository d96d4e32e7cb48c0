// Package policy is the Go SDK for idlehost policies: code that decides how
// long a connection may stay idle. A policy is a type with two methods,
// registered in init:
//
//	package main
//
//	import (
//		"time"
//
//		policy "idlehost/sdk/go"
//	)
//
//	type hello struct{}
//
//	func (hello) Accept(e *policy.Event) policy.Verdict {
//		e.SetLease(policy.PhaseIdle, 5*time.Second)
//		return policy.Default()
//	}
//
//	func (hello) Timeout(e *policy.Event) policy.Verdict { return policy.Default() }
//
//	func init() { policy.Register(hello{}) }
//
//	func main() {}
//
// and built with nothing but Go:
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -o hello.wasm .
//
// The same type compiles natively, where package policytest plays the host
// over virtual time. The package uses neither reflection, fmt nor goroutines,
// so TinyGo compiles it too.
//
// A guest has no clock but the event's: time.Now returns Event.Now, and does
// not move during a call. It has no files, no network, no environment.
package policy

import "idlehost/sdk/abi"

// A Policy decides. Its methods are never called concurrently. They must not
// keep the event, whose memory the host reuses, and should not allocate: what
// a guest allocates it must also collect, while every connection waits.
type Policy interface {
	// Accept is asked when a connection was opened (or dialled). Set leases on
	// the event to choose when the host asks again; Close refuses.
	Accept(*Event) Verdict
	// Timeout is asked when a lease or a deadline has passed: Extend the
	// connection, Close it, or leave it to the host (Default), which closes.
	Timeout(*Event) Verdict
}

// Configurer is a Policy that takes parameters. Configure is called once,
// before the first question, and also without any parameter. An error refuses
// the policy; name the key and the value in it. A Policy that is no
// Configurer refuses all parameters.
type Configurer interface {
	Configure(params map[string]string) error
}

// Closer is a Policy that is told when a connection has ended.
type Closer interface {
	Close(*Event)
}

// The ABI's vocabulary.
type (
	Kind     = abi.Kind
	Phase    = abi.Phase
	Side     = abi.Side
	Protocol = abi.Protocol
	Action   = abi.Action
	GapKind  = abi.GapKind
	Gaps     = abi.Gaps
)

// What a connection may be doing, who opened it, what it speaks, and how a
// gap ended; see package abi.
const (
	PhaseHandshake  = abi.PhaseHandshake
	PhaseHeader     = abi.PhaseHeader
	PhaseBody       = abi.PhaseBody
	PhaseUpstream   = abi.PhaseUpstream
	PhaseWrite      = abi.PhaseWrite
	PhaseIdle       = abi.PhaseIdle
	PhaseStreamIdle = abi.PhaseStreamIdle
	PhaseTunnel     = abi.PhaseTunnel
	PhaseHalfClosed = abi.PhaseHalfClosed
	PhaseDraining   = abi.PhaseDraining

	SideAccepted = abi.SideAccepted
	SideDialled  = abi.SideDialled

	ProtocolUnknown   = abi.ProtocolUnknown
	ProtocolHTTP1     = abi.ProtocolHTTP1
	ProtocolHTTP2     = abi.ProtocolHTTP2
	ProtocolWebSocket = abi.ProtocolWebSocket
	ProtocolTCP       = abi.ProtocolTCP

	GapReturned = abi.GapKindReturned
	GapGone     = abi.GapKindGone
	GapCut      = abi.GapKindCut

	// Never in a field that counts time: it has not happened, or is not known.
	Never = abi.Never
)
