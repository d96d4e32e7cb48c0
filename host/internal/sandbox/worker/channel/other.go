//go:build !linux

package channel

import (
	"errors"
	"os"
	"time"
)

func newMemory(int) (*os.File, error) { return nil, errors.ErrUnsupported }

func mapMemory(*os.File, int) ([]byte, error) { return nil, errors.ErrUnsupported }

func unmapMemory([]byte) {}

func socketPair() (host, worker *os.File, err error) { return nil, nil, errors.ErrUnsupported }

type socket struct{}

func newSocket(*os.File) (*socket, error) { return nil, errors.ErrUnsupported }

func (*socket) receive([]byte) (int, error) { return 0, errors.ErrUnsupported }

func (*socket) send([]byte) error { return errors.ErrUnsupported }

func (*socket) deadline(time.Time) error { return errors.ErrUnsupported }

func (*socket) close() error { return nil }
