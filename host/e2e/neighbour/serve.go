package neighbour

import (
	"bufio"
	"fmt"
	"io"
	"time"
)

// Serve is a process that stands for the clients of one tenant. Each line of in
// says what the traffic is until the next: the host's address, a tenant's host,
// a number of connections, how long each stays and until all have begun; or
// nothing, for none. Each is answered, when the traffic before it has ended, by
// what that has done.
func Serve(in io.Reader, out io.Writer) error {
	var t *Traffic
	halt := func() (c Counts) {
		if t != nil {
			c = t.Stop()
		}
		t = nil
		return c
	}
	defer halt()
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		c := halt()
		if lines.Text() != "" {
			t = &Traffic{}
			var stay, over string
			if _, err := fmt.Sscan(lines.Text(), &t.Addr, &t.Host, &t.Conns, &stay, &over); err != nil {
				return fmt.Errorf("traffic %q: %w", lines.Text(), err)
			}
			var err error
			if t.Stay, err = time.ParseDuration(stay); err != nil {
				return err
			}
			if t.Over, err = time.ParseDuration(over); err != nil {
				return err
			}
			t.Start()
		}
		if _, err := fmt.Fprintln(out, c.Opened, c.Answered, c.Failed); err != nil {
			return err
		}
	}
	return lines.Err()
}
