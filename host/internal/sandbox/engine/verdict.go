package engine

import (
	"fmt"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

const knownFlags = abi.FlagLog | abi.FlagLeases

// reply is what a hook returned; sdk/ABI.md, "The verdict".
type reply uint64

// check returns an error if the reply is not a valid verdict.
func (r reply) check() error {
	switch action, flags := r.action(), r.flags(); {
	case action > abi.ActionClose:
		return fmt.Errorf("%w: verdict %#x has the unknown action %d", errOutput, uint64(r), action)
	case flags&^knownFlags != 0:
		return fmt.Errorf("%w: verdict %#x has unknown flags %#x", errOutput, uint64(r), flags&^knownFlags)
	case r>>63 != 0:
		return fmt.Errorf("%w: verdict %#x has bit 63 set", errOutput, uint64(r))
	}
	return nil
}

// CheckReply unpacks a raw reply of Policy.Answer, which may come from an untrusted
// process. The error says why the reply is not a valid verdict.
func CheckReply(raw uint64) (policy.Verdict, error) {
	r := reply(raw)
	if err := r.check(); err != nil {
		return policy.Verdict{}, err
	}
	return r.verdict(), nil
}

func (r reply) action() abi.Action { return abi.Action(r >> 32) }
func (r reply) flags() uint8       { return uint8(r >> 40) }

// verdict unpacks a reply that passed check.
func (r reply) verdict() policy.Verdict {
	return policy.Verdict{
		Action:   r.action(),
		Deadline: time.Duration(uint32(r)) * time.Millisecond,
		Log:      r.flags()&abi.FlagLog != 0,
		Leases:   r.flags()&abi.FlagLeases != 0,
		Reason:   uint16(r >> 48),
		Source:   policy.SourcePolicy,
	}
}
