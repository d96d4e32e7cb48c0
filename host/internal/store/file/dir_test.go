package file

import (
	"os"
	"strings"
	"testing"
)

// TestOpenRefusesWhatEverybodyMayWrite: a group may.
func TestOpenRefusesWhatEverybodyMayWrite(t *testing.T) {
	for mode, ok := range map[os.FileMode]bool{0o700: true, 0o755: true, 0o775: true, 0o777: false, 0o702: false, 0o1777: false} {
		dir := t.TempDir()
		perm := mode.Perm()
		if mode&0o1000 != 0 {
			perm |= os.ModeSticky
		}
		if err := os.Chmod(dir, perm); err != nil {
			t.Fatal(err)
		}
		s, err := Open(dir, Config{})
		if err == nil {
			must(t, s.Close())
			if !ok {
				t.Errorf("mode %#o is taken", mode)
			}
		} else if ok || !strings.Contains(err.Error(), "everybody may write") || !strings.Contains(err.Error(), dir) {
			t.Errorf("mode %#o: %v", mode, err)
		}
		if left, e := os.ReadDir(dir); !ok && (e != nil || len(left) > 0) {
			t.Errorf("mode %#o: it has been changed: %v, %v", mode, left, e)
		}
	}
}
