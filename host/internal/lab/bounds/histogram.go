package bounds

import (
	"idlehost/host/internal/lab/study"
	"idlehost/sdk/abi"
)

// histogram are the gaps that ended with the client's coming back, by the ABI's
// bins.
type histogram [abi.Bins]int64

func (h *histogram) add(ns int64) {
	h[abi.Bin(uint32(min(max(ns, 0)/1e6, abi.Never-1)))]++
}

// study leaves out what is empty at both ends.
func (h *histogram) study() []study.Bin {
	list := []study.Bin{}
	for i, n := range h {
		if n != 0 || len(list) > 0 {
			list = append(list, study.Bin{LowMs: int64(abi.BinLow(i)), Count: n})
		}
	}
	for len(list) > 0 && list[len(list)-1].Count == 0 {
		list = list[:len(list)-1]
	}
	return list
}
