package bench

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"
)

// pace sends n requests over that many keep-alive connections, every second
// rate of them altogether, and returns what each took, sorted. A request that
// is late because the one before it was has waited too, and that counts.
func pace(addr string, conns, rate, n int) ([]time.Duration, error) {
	var wg sync.WaitGroup
	took, errs := make([][]time.Duration, conns), make([]error, conns)
	every := time.Second * time.Duration(conns) / time.Duration(rate)
	begin := time.Now()
	for i := range conns {
		share := n/conns + max(0, min(1, n%conns-i))
		first := begin.Add(every * time.Duration(i) / time.Duration(conns))
		wg.Go(func() { took[i], errs[i] = stroll(addr, first, every, share) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	all := slices.Concat(took...)
	slices.Sort(all)
	return all, nil
}

// stroll sends one request every so often.
func stroll(addr string, due time.Time, every time.Duration, n int) (took []time.Duration, err error) {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(5 * time.Minute))
	br := bufio.NewReader(nc)
	for i := range n {
		begin := due
		if wait := time.Until(due); wait > 0 {
			time.Sleep(wait)
			begin = time.Now() // the client's own delay is not the proxy's
		}
		if _, err := io.WriteString(nc, request); err != nil {
			return nil, fmt.Errorf("request %d: %w", i, err)
		}
		if err := response(br); err != nil {
			return nil, fmt.Errorf("response %d: %w", i, err)
		}
		took = append(took, time.Since(begin))
		due = due.Add(every)
	}
	return took, nil
}

// quantile returns that of a sorted list: 0.99 is the p99.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}
