package policy

import (
	"testing"
	"time"

	"idlehost/sdk/abi"
)

func TestVerdictPack(t *testing.T) {
	for _, c := range []struct {
		v    Verdict
		want int64
	}{
		{Default(), 0},
		{Close(), 2 << 32},
		{Extend(time.Second), 1<<32 | 1000},
		{Extend(time.Nanosecond), 1<<32 | 1},
		{Extend(-time.Hour), 1 << 32},
		{Extend(1 << 62), 1<<32 | (abi.Never - 1)},
		{Close().WithLog().WithReason(0x7fff), 0x7fff_01_02 << 32},
		{Close().WithReason(0xffff), 0x7fff_00_02 << 32},
	} {
		if got := c.v.pack(false); got != c.want {
			t.Errorf("%+v packs to %#x, want %#x", c.v, got, c.want)
		}
	}
	if got := Default().pack(true); got != abi.FlagLeases<<40 {
		t.Errorf("edited leases pack to %#x", got)
	}
}
