package neighbour

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"
)

// Serve is a process that stands for the clients of one attacker. Each line of in
// says what the traffic is until the next: the host's address, the hosts of
// tenants with commas between them, a number of connections of each, how long
// each stays and until all have begun; or nothing, for none. Each is answered,
// when the traffic before it has ended, by what that has done.
func Serve(in io.Reader, out io.Writer) error {
	var on []*Traffic
	halt := func() (sum Counts) {
		for _, t := range on {
			c := t.Stop()
			sum.Opened, sum.Answered, sum.Failed = sum.Opened+c.Opened, sum.Answered+c.Answered, sum.Failed+c.Failed
		}
		on = nil
		return sum
	}
	defer halt()
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		c := halt()
		if lines.Text() != "" {
			t, hosts, err := parseTraffic(lines.Text())
			if err != nil {
				return fmt.Errorf("traffic %q: %w", lines.Text(), err)
			}
			for host := range strings.SplitSeq(hosts, ",") {
				one := &Traffic{Addr: t.Addr, Host: host, Conns: t.Conns, Stay: t.Stay, Over: t.Over}
				on = append(on, one)
				one.Start()
			}
		}
		if _, err := fmt.Fprintln(out, c.Opened, c.Answered, c.Failed); err != nil {
			return err
		}
	}
	return lines.Err()
}

func parseTraffic(line string) (t *Traffic, hosts string, err error) {
	t = &Traffic{}
	var stay, over string
	if _, err = fmt.Sscan(line, &t.Addr, &hosts, &t.Conns, &stay, &over); err != nil {
		return nil, "", err
	}
	if t.Stay, err = time.ParseDuration(stay); err != nil {
		return nil, "", err
	}
	t.Over, err = time.ParseDuration(over)
	return t, hosts, err
}
