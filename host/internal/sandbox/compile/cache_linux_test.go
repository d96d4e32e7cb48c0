package compile

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"idlehost/host/internal/sandbox/wasmtest"
)

// TestWhatIsNotAuthenticIsCompiledAgain spoils the entry of a module in many
// ways: each time the module is compiled again, and the entry is whole after.
func TestWhatIsNotAuthenticIsCompiledAgain(t *testing.T) {
	compiler := open(t, config(t))
	o, other := Order{Wasm: plain(1)}, Order{Wasm: plain(2)}
	compile(t, compiler, o).Close()
	compile(t, compiler, other).Close()
	path, foreign := compiler.entry(o.key(compiler.child.maker)), compiler.entry(other.key(compiler.child.maker))
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write := func(data []byte) error { return os.WriteFile(path, data, 0o600) }
	ways := map[string]func() error{
		"empty":       func() error { return write(nil) },
		"truncated":   func() error { return write(good[:len(good)-1]) },
		"header only": func() error { return write(good[:headerSize]) },
		"longer":      func() error { return write(append(bytes.Clone(good), 0)) },
		"readable":    func() error { return os.Chmod(path, 0o644) },
		"writable":    func() error { return os.Chmod(path, 0o620) },
		"world":       func() error { return os.Chmod(path, 0o606) },
		"linked":      func() error { return os.Link(path, path+"x") },
		"another's": func() error {
			data, err := os.ReadFile(foreign)
			return firstOf(err, write(data))
		},
		"symlink": func() error {
			return firstOf(os.Rename(path, path+"y"), os.Symlink(path+"y", path))
		},
		"dangling": func() error { return firstOf(os.Remove(path), os.Symlink("/nowhere", path)) },
		"folder":   func() error { return firstOf(os.Remove(path), os.MkdirAll(path+"/x", 0o700)) },
		"pipe":     func() error { return firstOf(os.Remove(path), syscall.Mkfifo(path, 0o600)) },
		"huge":     func() error { return os.Truncate(path, 1<<40) },
	}
	if os.Geteuid() == 0 {
		ways["foreign"] = func() error { return os.Chown(path, 12345, 12345) }
	}
	for i := 0; i < len(good); i += 17 {
		ways[fmt.Sprint("flipped at ", i)] = func() error {
			bad := bytes.Clone(good)
			bad[i] ^= 0x10
			return write(bad)
		}
	}
	for name, spoil := range ways {
		if err := spoil(); err != nil {
			t.Fatal(name, err)
		}
		c := compile(t, compiler, o)
		if c.Report.Cached {
			t.Errorf("%s: was believed", name)
		}
		if v := ask(t, compiler, o); v != wasmtest.Extend60s {
			t.Errorf("%s: answer %#x", name, v)
		}
		c.Close()
		c = compile(t, compiler, o)
		if !c.Report.Cached {
			t.Errorf("%s: was not replaced", name)
		}
		c.Close()
		os.Remove(path + "x")
		os.Remove(path + "y")
	}
	if left := files(t, filepath.Dir(path)); len(left) != 2 {
		t.Errorf("entries left: %v", left)
	}
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// TestSecretThatOthersKnowIsReplaced, and everything that it had sealed.
func TestSecretThatOthersKnowIsReplaced(t *testing.T) {
	cfg := config(t)
	o := Order{Wasm: plain(1)}
	secret := cfg.Dir + "/" + secretName
	fresh := open(t, cfg)
	compile(t, fresh, o).Close()
	fresh.Close()
	for name, spoil := range map[string]func() error{
		"readable":  func() error { return os.Chmod(secret, 0o640) },
		"truncated": func() error { return os.Truncate(secret, 31) },
		"symlink":   func() error { return firstOf(os.Remove(secret), os.Symlink("/etc/hostname", secret)) },
		"folder":    func() error { return firstOf(os.Remove(secret), os.Mkdir(secret, 0o700)) },
		"missing":   func() error { return os.Remove(secret) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(name, err)
		}
		compiler := open(t, cfg)
		if c := compile(t, compiler, o); c.Report.Cached {
			t.Errorf("%s: was believed", name)
		}
		compiler.Close()
		compiler = open(t, cfg)
		if c := compile(t, compiler, o); !c.Report.Cached {
			t.Errorf("%s: was not replaced", name)
		}
		compiler.Close()
	}
	if left := files(t, cfg.Dir); len(left) != 3 {
		t.Errorf("left: %v", left)
	}
}

func TestFolderThatCannotBeTrustedIsRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		spoil func(dir string) error
		want  string
	}{
		"symlink":   {func(dir string) error { return firstOf(os.Mkdir(dir+"x", 0o700), os.Symlink(dir+"x", dir)) }, "is not a folder"},
		"file":      {func(dir string) error { return os.WriteFile(dir, nil, 0o600) }, "is not a folder"},
		"readable":  {func(dir string) error { return mkdir(dir, 0o755) }, "others have access"},
		"writable":  {func(dir string) error { return mkdir(dir, 0o770) }, "others have access"},
		"entries":   {func(dir string) error { return firstOf(mkdir(dir, 0o700), mkdir(dir+"/"+entries, 0o777)) }, "others have access"},
		"sessions":  {func(dir string) error { return firstOf(mkdir(dir, 0o700), os.Symlink("/tmp", dir+"/"+sessions)) }, "is not a folder"},
		"above":     {func(dir string) error { return os.Chmod(filepath.Dir(dir), 0o777) }, "others may write to"},
		"foreign":   {func(dir string) error { return firstOf(mkdir(dir, 0o700), os.Chown(dir, 12345, -1)) }, "belongs to user 12345"},
		"f. above":  {func(dir string) error { return os.Chown(filepath.Dir(dir), 12345, -1) }, "belongs to user 12345"},
		"no access": {func(dir string) error { return os.WriteFile(filepath.Dir(dir)+"/file", nil, 0o600) }, "not a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			if strings.HasPrefix(tt.want, "belongs") && os.Geteuid() != 0 {
				t.Skip("only root gives folders away")
			}
			cfg := config(t)
			if err := tt.spoil(cfg.Dir); err != nil {
				t.Fatal(err)
			}
			if name == "no access" {
				cfg.Dir = filepath.Dir(cfg.Dir) + "/file/code"
			}
			compiler, err := New(t.Context(), cfg)
			if err == nil {
				compiler.Close()
				t.Fatal("was accepted")
			}
			if !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), cfg.Dir) {
				t.Error(err)
			}
		})
	}
}

func mkdir(dir string, mode fs.FileMode) error {
	return firstOf(os.Mkdir(dir, 0o700), os.Chmod(dir, mode))
}

func TestStandardFolder(t *testing.T) {
	home := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", home)
	cfg := config(t)
	cfg.Dir = ""
	compiler := open(t, cfg)
	if c := compiler.Capability(); !c.Keeps || c.Cache != home+"/idlehost/code" || !strings.Contains(c.String(), "kept in "+home) {
		t.Error(c)
	}
	compiler.Close()

	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	if err := os.Chmod(home+"/idlehost/code", 0o777); err != nil {
		t.Fatal(err)
	}
	compiler = open(t, cfg)
	if c := compiler.Capability(); c.Keeps || filepath.Dir(c.Cache) != temp || !strings.Contains(c.String(), "others have access") {
		t.Error(c)
	}
	compile(t, compiler, Order{Wasm: plain(1)}).Close()
	if err := compiler.Close(); err != nil {
		t.Fatal(err)
	}
	if left := files(t, temp); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// TestParentKilled: what a process leaves when it is killed while a child
// works for it is swept up, and nothing of it is believed.
func TestParentKilled(t *testing.T) {
	cfg := config(t)
	parent := exec.Command(os.Args[0], parentEntry, cfg.Dir)
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	pid := worker(t, parent.Process.Pid)
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait()
	eventually(t, "the child dies with its parent", func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return err != nil || strings.Contains(string(stat), ") Z ")
	})
	if left := files(t, cfg.Dir+"/"+sessions); len(left) != 1 {
		t.Errorf("the parent left sessions %v, not one", left)
	}
	old := time.Now().Add(-2 * unfinishedGrace)
	if err := firstOf(os.Mkdir(cfg.Dir+"/"+sessions+"/"+unfinished+"old", 0o700), os.Mkdir(cfg.Dir+"/"+sessions+"/"+unfinished+"young", 0o700),
		os.Chtimes(cfg.Dir+"/"+sessions+"/"+unfinished+"old", old, old)); err != nil {
		t.Fatal(err)
	}
	living := open(t, cfg)
	compiler := open(t, cfg)
	if left := files(t, cfg.Dir+"/"+sessions); len(left) != 3 {
		t.Errorf("sessions %v, not two and one that is being born", left)
	}
	if left := files(t, cfg.Dir+"/"+entries); len(left) != 0 {
		t.Errorf("entries %v", left)
	}
	for _, compiler := range []*Compiler{living, compiler} {
		o := Order{Wasm: plain(1)}
		compile(t, compiler, o)
		if v := ask(t, compiler, o); v != wasmtest.Extend60s {
			t.Errorf("answer %#x", v)
		}
	}
}
