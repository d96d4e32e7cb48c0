package file

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"idlehost/host/internal/space"
	"idlehost/host/internal/store"
)

// counts are the bytes of the directory, by file and by tenant. Open counts them,
// and every change updates them.
type counts struct {
	mu      sync.Mutex // guards the following
	files   map[string]int64
	modules int64 // the sum of files
	tenants map[string]tenantUsage
	states  map[string]*stateFiles // by tenant
	learned int64                  // the sum of states
}

// stateFiles are the learned states of a tenant.
type stateFiles struct {
	bytes map[string]int64 // by digest
	sum   int64
}

// recount reads how much there is.
func (s *Store) recount() error {
	c := &s.counts
	c.mu.Lock()
	c.files, c.tenants, c.states = map[string]int64{}, map[string]tenantUsage{}, map[string]*stateFiles{}
	c.mu.Unlock()
	err := s.view(func(t *txn) error {
		return each(context.Background(), t, bucketTenants, "", func(kept *tenant) bool {
			c.setTenants([]tenantUsage{kept.usage()})
			return true
		})
	})
	if err != nil {
		return err
	}
	err = sizes(s.path(modulesDir), func(name string, n int64) {
		if digest, ok := strings.CutSuffix(filepath.Base(name), moduleExt); ok {
			c.putFile(digest, n)
		}
	})
	if err != nil {
		return err
	}
	return sizes(s.path(statesDir), func(name string, n int64) {
		tenant, digest := filepath.Split(name)
		c.putState(filepath.Base(tenant), digest, n)
	})
}

// sizes calls f with every regular file below dir, and its bytes.
func sizes(dir string, f func(name string, n int64)) error {
	return filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		f(name, space.Blocks(info.Size()))
		return nil
	})
}

// setTenants replaces what tenants pay for.
func (c *counts) setTenants(list []tenantUsage) {
	if len(list) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, u := range list {
		if u.digests == nil {
			delete(c.tenants, u.name)
			continue
		}
		c.tenants[u.name] = u
	}
}

func (c *counts) putFile(digest string, n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.modules += n - c.files[digest]
	c.files[digest] = n
}

func (c *counts) dropFile(digest string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.modules -= c.files[digest]
	delete(c.files, digest)
}

func (c *counts) putState(tenant, digest string, n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	of := c.states[tenant]
	if of == nil {
		of = &stateFiles{bytes: map[string]int64{}}
		c.states[tenant] = of
	}
	more := n - of.bytes[digest]
	of.bytes[digest] = n
	of.sum += more
	c.learned += more
}

func (c *counts) dropState(tenant, digest string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	of := c.states[tenant]
	if of == nil {
		return
	}
	of.sum -= of.bytes[digest]
	c.learned -= of.bytes[digest]
	if delete(of.bytes, digest); len(of.bytes) == 0 {
		delete(c.states, tenant)
	}
}

func (c *counts) dropStates(tenant string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if of := c.states[tenant]; of != nil {
		c.learned -= of.sum
		delete(c.states, tenant)
	}
}

// Usage implements store.Store.
func (s *Store) Usage(tenant string) store.Usage {
	c := &s.counts
	c.mu.Lock()
	defer c.mu.Unlock()
	of := c.tenants[tenant]
	u := store.Usage{Policies: of.policies, UnnamedCount: len(of.unnamed)}
	since := time.Now().Add(-s.cfg.Grace)
	for _, h := range of.unnamed {
		u.Unnamed += h.Bytes
		if h.Put.Before(since) {
			u.Sweepable += h.Bytes
		}
	}
	if states := c.states[tenant]; states != nil {
		u.States = states.sum
	}
	return u
}

// Size implements store.Store.
func (s *Store) Size() int64 {
	var db int64
	if info, err := os.Stat(s.path(dbName)); err == nil {
		db = space.Blocks(info.Size())
	}
	c := &s.counts
	c.mu.Lock()
	defer c.mu.Unlock()
	return db + c.modules + c.learned
}

// Adds implements store.Store. A module whose file is there may lack its record,
// which is made anew then; that is not much.
func (s *Store) Adds(tenant, digest string, module, report int) (own, all int64) {
	c := &s.counts
	c.mu.Lock()
	defer c.mu.Unlock()
	n := policyBytes(module, report)
	if tenant != "" && !c.tenants[tenant].digests[digest] {
		own = n
	}
	if _, there := c.files[digest]; !there {
		all = n
	}
	return own, all
}

// StateAdds implements store.Store.
func (s *Store) StateAdds(tenant, digest string, size int) int64 {
	c := &s.counts
	c.mu.Lock()
	defer c.mu.Unlock()
	n := space.Blocks(int64(sealSize + stateHeader + size))
	if of := c.states[tenant]; of != nil {
		n -= of.bytes[digest]
	}
	return max(n, 0)
}
