package worker

import (
	"errors"

	"idlehost/host/internal/sandbox/confine"
	"idlehost/host/internal/sandbox/worker/child"
)

// marker names the variable of the environment by which a worker is told what it
// may do.
const marker = "IDLEHOST_WORKER"

// Main is the whole of a worker process, with what follows Program.Argv on the
// command line: it takes from itself what it does not need, and runs guests until
// the host goes.
func Main(args []string) error {
	if len(args) != 1 {
		return errors.New("a worker takes its settings, and nothing else")
	}
	return child.Main(args[0], func() (lacks string, err error) {
		limits, err := confine.Passed(marker)
		if err != nil {
			return "", err
		}
		report, err := confine.Enter(limits)
		return report.Warning(), err
	})
}
