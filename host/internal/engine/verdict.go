package engine

import (
	"fmt"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

const knownFlags = abi.FlagLog | abi.FlagLeases

// unpack reads a guest's answer; sdk/ABI.md, "The verdict".
func unpack(raw uint64) (policy.Verdict, error) {
	action, flags := abi.Action(raw>>32), uint8(raw>>40)
	switch {
	case action > abi.ActionClose:
		return policy.Verdict{}, fmt.Errorf("%w: verdict %#x has the unknown action %d", errOutput, raw, action)
	case flags&^knownFlags != 0:
		return policy.Verdict{}, fmt.Errorf("%w: verdict %#x has unknown flags %#x", errOutput, raw, flags&^knownFlags)
	case raw>>63 != 0:
		return policy.Verdict{}, fmt.Errorf("%w: verdict %#x has bit 63 set", errOutput, raw)
	}
	return policy.Verdict{
		Action:   action,
		Deadline: time.Duration(uint32(raw)) * time.Millisecond,
		Log:      flags&abi.FlagLog != 0,
		Leases:   flags&abi.FlagLeases != 0,
		Reason:   uint16(raw >> 48),
		Source:   policy.SourcePolicy,
	}, nil
}
