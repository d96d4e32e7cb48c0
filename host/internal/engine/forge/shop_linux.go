package forge

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
)

// shop is where modules are compiled apart: a cache folder, a session in it,
// and children.
type shop struct {
	cfg   Config
	path  string // of the cache folder
	keeps bool   // it outlives the process
	why   error  // it does not
	code  string // where wazero looks, absolute

	// sub and probe are what this process calls the folder of code, and the
	// probe's file in it; both name the compiler and the processor.
	sub, probe string
	maker      string // part of every key
	// unit is the processor time that a unit of effort is expected to take.
	unit time.Duration

	// mu guards the following fields: it is held for reading by whoever works
	// in the folder, and for writing while the folder is opened anew.
	mu      sync.RWMutex
	root    *os.Root // at path
	store   *store
	session *session
}

func openShop(ctx context.Context, cfg Config) (*shop, error) {
	if len(cfg.Argv) == 0 {
		return nil, errors.New("this program has no entry for a child")
	}
	if os.Getenv(marker) != "" {
		return nil, errors.New("this process is a child itself")
	}
	s := &shop{cfg: cfg, unit: mostUnit}
	if err := s.openCache(); err != nil {
		return nil, err
	}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// openCache opens the folder that is configured, or the user's, or a new one.
func (s *shop) openCache() (err error) {
	dir := s.cfg.Dir
	if dir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return s.openTemp(err)
		}
		dir = filepath.Join(user, "idlehost", "code")
	}
	if s.root, s.path, err = openPrivate(dir); err != nil {
		err = &dirError{path: dir, err: err}
		if s.cfg.Dir == "" {
			return s.openTemp(err)
		}
		return err
	}
	s.keeps = true
	return nil
}

func (s *shop) openTemp(why error) (err error) {
	s.why = why
	if s.path, err = os.MkdirTemp("", "idlehost-code-"); err != nil {
		return errors.Join(why, err)
	}
	if s.root, err = os.OpenRoot(s.path); err != nil {
		return errors.Join(why, err, os.RemoveAll(s.path))
	}
	return nil
}

func (s *shop) open(ctx context.Context) (err error) {
	if err := s.furnish(rand.Text()); err != nil {
		return &dirError{s.path, err}
	}
	s.code = filepath.Join(s.path, s.session.path("code"))
	if s.sub, s.probe, err = compileProbe(s.code); err != nil {
		return fmt.Errorf("compiler does not work: %w", err)
	}
	s.discard(s.probe)
	s.maker = fmt.Sprintf("%q %q %q %q", compilerBuild(), s.sub, s.probe, s.cfg.Version)
	return s.try(ctx)
}

// furnish makes what has to be in the cache folder.
func (s *shop) furnish(session string) (err error) {
	if s.session, err = openSession(s.root, session); err != nil {
		return err
	}
	if err := sweep(s.root, time.Now()); err != nil {
		return err
	}
	s.store, err = openStore(s.root, s.cfg)
	return err
}

// restore opens the cache folder anew if somebody has cleared it away, the
// whole of it or a part; wazero has to find it where it was.
func (s *shop) restore() error {
	if s.furnished() {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.furnished() {
		return nil // somebody else was faster, and may have code on loan by now
	}
	root, _, err := openPrivate(s.path)
	if err != nil {
		return &dirError{s.path, err}
	}
	err = errors.Join(s.session.close(), s.root.Close())
	s.root = root
	if err == nil {
		err = s.furnish(filepath.Base(s.session.name))
	}
	if err == nil {
		err = s.root.MkdirAll(s.session.path("code", s.sub), 0o700)
	}
	if err != nil {
		return &dirError{s.path, err}
	}
	return nil
}

// furnished reports whether the folder is there that code goes to.
func (s *shop) furnished() bool {
	_, err := os.Lstat(filepath.Join(s.code, s.sub))
	return err == nil
}

// try compiles the trial apart, which also tells how fast that is here. It has
// the time of the slowest machine.
func (s *shop) try(ctx context.Context) error {
	stage, err := s.stage()
	if err != nil {
		return &dirError{s.path, err}
	}
	defer s.root.RemoveAll(stage)
	r, _, err := s.run(ctx, stage, Order{Wasm: trialModule(), Effort: trialEffort}, 0)
	if err == nil {
		err = s.same(r)
	}
	if err != nil {
		return fmt.Errorf("a child does not work: %w", err)
	}
	s.unit = min(max(r.CompileTime/trialEffort, leastUnit), mostUnit)
	return nil
}

func (s *shop) codeDir() string { return s.code }

// loan is the path in root at which wazero finds a file.
func (s *shop) loan(name string) string { return s.session.path("code", s.sub, name) }

func (s *shop) discard(name string) {
	// It is there, or wazero has found it stale: nothing is lost either way.
	_ = os.Remove(filepath.Join(s.code, s.sub, name))
}

// stage makes a folder for one child.
func (s *shop) stage() (string, error) {
	name := s.session.fresh("stage")
	return name, s.root.Mkdir(name, 0o700)
}

// same reports an error if a child has another compiler or processor than
// this process, which would look for the code under another name.
func (s *shop) same(r reply) error {
	if r.Sub != s.sub || r.Probe != s.probe {
		return errors.New("the child compiles for another processor, or with another compiler")
	}
	return nil
}

// fetch puts code from the cache on loan, if it is there and authentic.
func (s *shop) fetch(key string) (made, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	temp := s.session.fresh("load")
	f, err := s.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return made{}, false
	}
	name, size, err := s.store.get(key, f)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = s.root.Rename(temp, s.loan(name))
	}
	if err != nil {
		_ = s.root.Remove(temp) // the session's end removes it otherwise
		return made{}, false
	}
	return made{report: Report{Apart: true, Cached: true, CodeBytes: size}, name: name}, true
}

// compile has a child make code for o, keeps it, and puts it on loan. Beside
// an error, made says what the child has taken.
func (s *shop) compile(ctx context.Context, key string, o Order, lowPriority bool) (made, error) {
	if err := s.restore(); err != nil {
		return made{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	stage, err := s.stage()
	if err != nil {
		return made{}, fmt.Errorf("forge: %w", err)
	}
	defer s.root.RemoveAll(stage)
	nice := int64(0)
	if lowPriority {
		nice = niceness
	}
	r, used, err := s.run(ctx, stage, o, nice)
	m := made{report: Report{Apart: true, Usage: used, ModuleBytes: len(o.Wasm)}, name: r.Name}
	if err != nil {
		return m, err
	}
	if err := s.same(r); err != nil {
		return m, busyError("", used, "%v", err)
	}
	path := filepath.Join(stage, r.Sub, r.Name)
	if m.report.CodeBytes, m.report.NotKept, err = s.keep(key, r.Name, path); err != nil {
		return m, busyError("", used, "result of the child: %v", err)
	}
	if err := s.root.Rename(path, s.loan(r.Name)); err != nil {
		return m, fmt.Errorf("forge: %w", err)
	}
	return m, nil
}

// keep copies the code at path into the cache. That it could not be kept is
// no reason not to use it.
func (s *shop) keep(key, name, path string) (size int64, notKept, err error) {
	f, info, err := openOwn(s.root, path)
	if err != nil {
		return 0, nil, err
	}
	defer f.Close()
	if size = info.Size(); size > s.cfg.codeBytes() {
		return 0, nil, fmt.Errorf("has %d bytes", size)
	}
	return size, s.store.put(key, name, f, size, s.session.fresh("put")), nil
}

func (s *shop) close() error {
	var errs []error
	if s.session != nil {
		errs = append(errs, s.session.close())
	}
	errs = append(errs, s.root.Close())
	if !s.keeps {
		errs = append(errs, os.RemoveAll(s.path))
	}
	return errors.Join(errs...)
}

// refuse is the error for a module that the compiler would not have.
func refuse(u Usage, text string) error {
	return &Error{Fault: policy.FaultRefused, Usage: u, Text: text}
}
