package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/term"
)

// create makes a file that a command writes its result to. What is there is
// overwritten by force only.
func create(path string, force bool) (*os.File, error) {
	flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if force {
		flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	f, err := os.OpenFile(path, flags, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return nil, usagef("--force overwrites it", "%s is there already", path)
	}
	if err != nil {
		return nil, fmt.Errorf("out: %w", err)
	}
	return f, nil
}

// columns is how wide w is: 100 where it is no terminal.
func columns(w any) int {
	if f, ok := w.(*os.File); ok {
		if wide, _, err := term.GetSize(int(f.Fd())); err == nil && wide > 0 {
			return wide
		}
	}
	return 100
}
