package testnet

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// FillDisk takes all that is left of a file system until the file that it
// returns is removed.
func FillDisk(t testing.TB, dir string) (name string) {
	t.Helper()
	name = filepath.Join(dir, "ballast")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; size /= 2 {
		for {
			if _, err := f.Write(bytes.Repeat([]byte{1}, size)); err != nil {
				break
			}
		}
	}
	return name
}
