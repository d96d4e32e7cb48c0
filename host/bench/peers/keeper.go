package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
)

// keep runs a program in a process group of its own until the input ends,
// whatever ends it: a run that is killed leaves no proxy behind, nor its
// workers. It prints the number of the group.
func keep(argv []string, until io.Reader, out io.Writer) error {
	if len(argv) == 0 {
		return errors.New("nothing to keep")
	}
	signal.Ignore(os.Interrupt) // the terminal sends it to all; the input tells the end
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	cmd.SysProcAttr = apart()
	if err := cmd.Start(); err != nil {
		return err
	}
	fmt.Fprintln(out, cmd.Process.Pid)
	exited, ended := make(chan error, 1), make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	go func() { // ends with the process at the latest
		_, err := io.Copy(io.Discard, until)
		ended <- err
	}()
	select {
	case err := <-exited:
		return errors.Join(fmt.Errorf("%s has exited by itself: %v", argv[0], err), killGroup(cmd.Process.Pid))
	case err := <-ended:
		err = errors.Join(err, killGroup(cmd.Process.Pid))
		<-exited
		return err
	}
}
