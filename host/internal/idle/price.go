package idle

import (
	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// Bytes of process memory that an idle connection holds, without and with
// TLS, by protocol; measured on net/http and x/net/http2 of go1.26
// (DESIGN, "What was measured first").
var holdBytes = [2][5]uint32{
	{abi.ProtocolUnknown: 3_700, abi.ProtocolHTTP1: 20_000, abi.ProtocolHTTP2: 22_500, abi.ProtocolWebSocket: 26_000, abi.ProtocolTCP: 6_000},
	{abi.ProtocolUnknown: 21_500, abi.ProtocolHTTP1: 35_000, abi.ProtocolHTTP2: 40_000, abi.ProtocolWebSocket: 43_000, abi.ProtocolTCP: 21_500},
}

// Processor time of one handshake on both ends, microseconds: an ECDSA P-256
// or X25519 exchange with certificate, and a resumed one without.
const (
	fullHandshakeUs    = 600
	resumedHandshakeUs = 200
)

// price fills in what holding and closing cost. A reconnect takes a round
// trip for TCP and one for TLS 1.3 (RFC 8446 section 2).
func price(e *policy.Event) {
	secure := min(e.Handshake, 1)
	if int(e.Protocol) < len(holdBytes[secure]) {
		e.HoldBytes = holdBytes[secure][e.Protocol]
	}
	if e.RttUs == 0 {
		return
	}
	switch e.Handshake {
	case 0:
		e.ReconnectUs = e.RttUs
	case 1:
		e.ReconnectUs = 2*e.RttUs + fullHandshakeUs
	default:
		e.ReconnectUs = 2*e.RttUs + resumedHandshakeUs
	}
}

// HoldBytes is what an idle connection takes, as events have it: bytes of
// process memory.
func HoldBytes(p policy.Protocol, handshake uint16) uint32 {
	e := policy.Event{Protocol: uint8(p), Handshake: handshake}
	price(&e)
	return e.HoldBytes
}
