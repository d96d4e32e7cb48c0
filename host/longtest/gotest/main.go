// Command gotest runs go test with the arguments that it gets. It prints what go
// test prints, the output of failed tests in full, says now and then what is
// running, and at the end what was skipped and why. Its exit code is that of go
// test.
//
//	gotest -race -shuffle=on ./...
package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"time"
)

// quiet is how long nothing may be printed before a line tells what is running.
const quiet = 30 * time.Second

func main() {
	code, err := run(os.Stdout, os.Stderr, "", os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "gotest: error:", err)
	}
	os.Exit(code)
}

// run runs go test in a folder and returns its exit code.
func run(out, complaints io.Writer, dir string, args []string) (code int, err error) {
	// An interrupt goes to go test as well, which then ends: what it has to say
	// is printed.
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt)
	defer signal.Stop(interrupts)

	// Tests of some packages compute, those of others wait for real programs:
	// two packages more than there are processors keep these busy.
	own := []string{"test", "-json", "-p", strconv.Itoa(runtime.NumCPU() + 2)}
	cmd := exec.Command(cmp.Or(os.Getenv("GO"), "go"), append(own, args...)...)
	cmd.Dir, cmd.Stderr = dir, complaints
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return 2, err
	}
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return 2, err
	}
	r := newReport(out)
	follow(r, stdout)
	if err := cmd.Wait(); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			return 2, err
		}
		code = max(exit.ExitCode(), 1) // -1: by a signal
	}
	r.end(time.Since(begin), raceDetector(args))
	return code, nil
}

func raceDetector(args []string) bool {
	return slices.Contains(args, "-race")
}

// follow reads events to their end.
func follow(r *report, stdout io.Reader) {
	lines := make(chan []byte)
	go func() {
		defer close(lines)
		in := bufio.NewReader(stdout)
		for {
			line, err := in.ReadBytes('\n')
			if len(line) > 0 {
				lines <- line
			}
			if err != nil {
				return
			}
		}
	}()
	tick := time.NewTicker(quiet / 3)
	defer tick.Stop()
	for {
		select {
		case line, more := <-lines:
			if !more {
				return
			}
			var e event
			if json.Unmarshal(line, &e) != nil {
				r.print(string(line)) // the go command's own
				continue
			}
			r.take(e)
		case now := <-tick.C:
			r.progress(now)
		}
	}
}
