package lab

import (
	"idlehost/host/internal/lab/study"
	"idlehost/sdk/abi"
)

// bins is a histogram over the ABI's bins.
type bins [abi.Bins]int64

func (b *bins) add(ns int64) { b[abi.Bin(uint32(min(max(ns, 0)/1e6, abi.Never-1)))]++ }

func (b *bins) addAll(o *bins) {
	for i, n := range o {
		b[i] += n
	}
}

// study leaves out what is empty at both ends.
func (b *bins) study() []study.Bin {
	list := []study.Bin{}
	for i, n := range b {
		if n == 0 && len(list) == 0 {
			continue
		}
		list = append(list, study.Bin{LowMs: int64(abi.BinLow(i)), Count: n})
	}
	for len(list) > 0 && list[len(list)-1].Count == 0 {
		list = list[:len(list)-1]
	}
	return list
}
