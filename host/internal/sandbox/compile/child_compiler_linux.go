package compile

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/confine"
)

// childCompiler compiles each module in a child process. It has a cache folder, and
// a folder of this process in it.
type childCompiler struct {
	cfg   Config
	path  string // of the cache folder
	keeps bool   // it outlives the process
	why   error  // it does not
	code  string // where wazero looks, absolute

	// sub and probe are what this process calls the folder of code, and the
	// probe's file in it; both name the compiler and the processor.
	sub, probe string
	maker      string // part of every key
	// namer knows under which names wazero looks for code; nil: they are not known.
	namer *fileNamer
	// unit is the processor time that a unit of effort is expected to take.
	unit time.Duration
	// confined says under which measures the trial was compiled.
	confined confine.Report

	// mu guards the following fields: it is held for reading by whoever works
	// in the folder, and for writing while the folder is opened anew.
	mu    sync.RWMutex
	root  *os.Root // at path
	store *store
	dir   *processDir
}

func openChildCompiler(ctx context.Context, cfg Config) (*childCompiler, error) {
	if len(cfg.Argv) == 0 {
		return nil, errors.New("this program has no entry for a child")
	}
	if os.Getenv(marker) != "" {
		return nil, errors.New("this process is a child itself")
	}
	c := &childCompiler{cfg: cfg, unit: mostUnit}
	if err := c.openCache(); err != nil {
		return nil, err
	}
	if err := c.open(ctx); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

// openCache opens the folder that is configured, or the user's, or a new one.
func (c *childCompiler) openCache() (err error) {
	dir := c.cfg.Dir
	if dir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return c.openTemp(err)
		}
		dir = filepath.Join(user, "idlehost", "code")
	}
	if c.root, c.path, err = openPrivate(dir); err != nil {
		err = &dirError{path: dir, err: err}
		if c.cfg.Dir == "" {
			return c.openTemp(err)
		}
		return err
	}
	c.keeps = true
	return nil
}

func (c *childCompiler) openTemp(why error) (err error) {
	c.why = why
	if c.path, err = os.MkdirTemp("", "idlehost-code-"); err != nil {
		return errors.Join(why, err)
	}
	if c.root, err = os.OpenRoot(c.path); err != nil {
		return errors.Join(why, err, os.RemoveAll(c.path))
	}
	return nil
}

func (c *childCompiler) open(ctx context.Context) (err error) {
	if err := c.prepareFolder(rand.Text()); err != nil {
		return &dirError{c.path, err}
	}
	c.code = filepath.Join(c.path, c.dir.path("code"))
	if c.sub, c.probe, err = compileProbe(c.code); err != nil {
		return fmt.Errorf("compiler does not work: %w", err)
	}
	if l, ok := findFileNamer(probeModule(), c.probe); ok && c.canLink() {
		c.namer = &l
	}
	c.discard(c.probe)
	c.maker = fmt.Sprintf("%q %q %q %q", compilerBuild(), c.sub, c.probe, c.cfg.Version)
	return c.compileTrial(ctx)
}

// prepareFolder makes the folders and files that belong in the cache folder.
func (c *childCompiler) prepareFolder(session string) (err error) {
	if c.dir, err = openProcessDir(c.root, session); err != nil {
		return err
	}
	if err := removeStale(c.root, time.Now()); err != nil {
		return err
	}
	c.store, err = openStore(c.root, c.cfg)
	return err
}

// restore opens the cache folder anew if somebody has cleared it away, the
// whole of it or a part; wazero has to find it where it was.
func (c *childCompiler) restore() error {
	if c.folderReady() {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.folderReady() {
		return nil // somebody else was faster, and may have code on loan by now
	}
	root, _, err := openPrivate(c.path)
	if err != nil {
		return &dirError{c.path, err}
	}
	err = errors.Join(c.dir.close(), c.root.Close())
	c.root = root
	if err == nil {
		err = c.prepareFolder(filepath.Base(c.dir.name))
	}
	if err == nil {
		err = c.root.MkdirAll(c.dir.path("code", c.sub), 0o700)
	}
	if err != nil {
		return &dirError{c.path, err}
	}
	return nil
}

// folderReady reports whether the folder for code exists.
func (c *childCompiler) folderReady() bool {
	_, err := os.Lstat(filepath.Join(c.code, c.sub))
	return err == nil
}

// compileTrial lets a child compile the trial module, which also shows how fast
// this machine compiles. The child has the time of the slowest machine.
func (c *childCompiler) compileTrial(ctx context.Context) error {
	stage, err := c.stage()
	if err != nil {
		return &dirError{c.path, err}
	}
	defer c.root.RemoveAll(stage)
	r, _, err := c.run(ctx, stage, Order{Wasm: trialModule(), Effort: trialEffort}, 0)
	if err == nil {
		err = c.checkBuild(r)
	}
	if err != nil {
		return fmt.Errorf("a child does not work: %w", err)
	}
	c.confined = r.Confined
	c.unit = min(max(r.CompileTime/trialEffort, leastUnit), mostUnit)
	return nil
}

func (c *childCompiler) codeDir() string { return c.code }

// codePath returns the path in root at which wazero finds a file.
func (c *childCompiler) codePath(name string) string { return c.dir.path("code", c.sub, name) }

func (c *childCompiler) discard(name string) {
	// It is there, or wazero has found it stale: nothing is lost either way.
	_ = os.Remove(filepath.Join(c.code, c.sub, name))
}

// stage makes a folder for one child.
func (c *childCompiler) stage() (string, error) {
	name := c.dir.newName("stage")
	return name, c.root.Mkdir(name, 0o700)
}

// checkBuild returns an error if a child has another compiler or processor than
// this process, which would look for the code under another name.
func (c *childCompiler) checkBuild(r reply) error {
	if r.Sub != c.sub || r.Probe != c.probe {
		return errors.New("the child compiles for another processor, or with another compiler")
	}
	return nil
}

// fetch copies code from the cache to where wazero finds it, if it is in the cache
// and authentic.
func (c *childCompiler) fetch(key string, o Order) (result, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	temp := c.dir.newName("load")
	f, err := c.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return result{}, false
	}
	name, size, err := c.store.get(key, f)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = c.root.Rename(temp, c.codePath(name))
	}
	m := result{report: Report{Apart: true, Cached: true, CodeBytes: size}, name: name}
	if err == nil {
		err = c.linkOutline(&m, o)
	}
	if err != nil {
		_ = c.root.Remove(temp) // otherwise removed with the folder of this process
		return result{}, false
	}
	return m, true
}

// compile lets a child compile o, keeps the code in the cache, and moves it to
// where wazero finds it. Beside an error, the result says what the child has used.
func (c *childCompiler) compile(ctx context.Context, key string, o Order, lowPriority bool) (result, error) {
	if err := c.restore(); err != nil {
		return result{}, err
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	stage, err := c.stage()
	if err != nil {
		return result{}, fmt.Errorf("compile: %w", err)
	}
	defer c.root.RemoveAll(stage)
	nice := 0
	if lowPriority {
		nice = niceness
	}
	r, used, err := c.run(ctx, stage, o, nice)
	m := result{report: Report{Apart: true, Usage: used, ModuleBytes: len(o.Wasm)}, name: r.Name}
	if err != nil {
		return m, err
	}
	if err := c.checkBuild(r); err != nil {
		return m, busyError("", used, "%v", err)
	}
	if c.namer != nil && r.Name != c.namer.name(o.Wasm, o.Stoppable) {
		return m, busyError("", used, "child has made the code of another module")
	}
	path := filepath.Join(stage, r.Sub, r.Name)
	if m.report.CodeBytes, m.report.NotKept, err = c.keep(key, r.Name, path); err != nil {
		return m, busyError("", used, "result of the child: %v", err)
	}
	err = c.root.Rename(path, c.codePath(r.Name))
	if err == nil {
		err = c.linkOutline(&m, o)
	}
	if err != nil {
		return m, fmt.Errorf("compile: %w", err)
	}
	return m, nil
}

// keep copies the code at path into the cache. If that fails, the code is used all
// the same.
func (c *childCompiler) keep(key, name, path string) (size int64, notKept, err error) {
	f, info, err := openOwn(c.root, path)
	if err != nil {
		return 0, nil, err
	}
	defer f.Close()
	if size = info.Size(); size > c.cfg.codeBytes() {
		return 0, nil, fmt.Errorf("has %d bytes", size)
	}
	return size, c.store.put(key, name, f, size, c.dir.newName("put")), nil
}

func (c *childCompiler) close() error {
	var errs []error
	if c.dir != nil {
		errs = append(errs, c.dir.close())
	}
	errs = append(errs, c.root.Close())
	if !c.keeps {
		errs = append(errs, os.RemoveAll(c.path))
	}
	return errors.Join(errs...)
}

// refuse is the error for a module that the compiler would not have.
func refuse(u Usage, text string) error {
	return &Error{Fault: policy.FaultRefused, Usage: u, Text: text}
}
