package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"idlehost/host/internal/store"
)

// Sweep implements store.Store. It also removes modules that no record names,
// which a process that was killed has left, and states that are old. Uploads
// wait for it, other changes for a part of it.
func (s *Store) Sweep(ctx context.Context) (int, error) {
	if err := s.begin(ctx); err != nil {
		return 0, err
	}
	defer s.end()
	n, err := s.sweep(ctx, time.Now())
	if err != nil {
		return n, fmt.Errorf("sweep: %w", err)
	}
	return n, nil
}

func (s *Store) sweep(ctx context.Context, now time.Time) (n int, err error) {
	swept, err := s.sweepModules(ctx, now)
	if err != nil {
		return len(swept), err
	}
	return len(swept), s.sweepStates(ctx, now.Add(-s.cfg.StateKept))
}

func (s *Store) sweepModules(ctx context.Context, now time.Time) (swept []string, err error) {
	s.modules.Lock()
	defer s.modules.Unlock()
	var policies, tokens, holders []string
	since := now.Add(-s.cfg.Grace)
	err = s.view(func(t *txn) (err error) {
		if policies, holders, err = t.unnamed(ctx, since); err == nil {
			tokens, err = t.expired(ctx, now)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(policies)+len(tokens)+len(holders) > 0 {
		// Looked up once more, since a tenant may have named one meanwhile.
		err = s.change(ctx, func(t *txn) (err error) {
			swept, err = t.sweep(ctx, since, tokens)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	for _, digest := range swept {
		if err := os.Remove(s.path(modulePath(digest)...)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return swept, err
		}
		s.counts.dropFile(digest)
	}
	return swept, s.sweepOrphans(since)
}

// sweep drops policies that nobody names, and tokens, and has tenants no longer
// pay for what they do not name.
func (t *txn) sweep(ctx context.Context, since time.Time, tokens []string) ([]string, error) {
	policies, holders, err := t.unnamed(ctx, since)
	if err != nil {
		return nil, err
	}
	for _, name := range holders {
		kept, err := load[tenant](t, bucketTenants, name)
		if err == nil {
			kept.release(since)
			err = t.store(kept)
		}
		if err != nil {
			return nil, err
		}
	}
	for _, id := range tokens {
		k, err := load[store.Token](t, bucketTokens, id)
		if errors.Is(err, store.ErrNotFound) {
			continue // revoked meanwhile
		}
		if err == nil {
			err = t.dropToken(k.Tenant, id)
		}
		if err != nil {
			return nil, err
		}
	}
	for _, digest := range policies {
		if err := t.drop(bucketPolicies, []byte(digest)); err != nil {
			return nil, err
		}
	}
	return policies, nil
}

// unnamed returns the policies that were put before a time and that no tenant's
// Versions name, and the tenants that have put one before it and do not name it.
func (t *txn) unnamed(ctx context.Context, since time.Time) (digests, holders []string, err error) {
	old := map[string]bool{}
	err = each(ctx, t, bucketPolicies, "", func(p *uploadTime) bool {
		if p.Put.Before(since) {
			old[p.Digest] = true
		}
		return true
	})
	if err != nil {
		return nil, nil, err
	}
	err = each(ctx, t, bucketTenants, "", func(kept *tenant) bool {
		for _, v := range kept.Versions {
			delete(old, v.Digest)
		}
		if kept.release(since) {
			holders = append(holders, kept.Name)
		}
		return true
	})
	if err != nil {
		return nil, nil, err
	}
	for digest := range old {
		digests = append(digests, digest)
	}
	return digests, holders, nil
}

// uploadTime is the part of a policy that Sweep decodes, without the long report.
type uploadTime struct {
	Digest string    `json:"digest"`
	Put    time.Time `json:"put"`
}

// expired returns the tokens whose time has passed.
func (t *txn) expired(ctx context.Context, now time.Time) (ids []string, err error) {
	err = each(ctx, t, bucketTokens, "", func(k *store.Token) bool {
		if !k.Expires.IsZero() && !k.Expires.After(now) {
			ids = append(ids, k.ID)
		}
		return true
	})
	return ids, err
}

// sweepOrphans removes files of modules that have no record and are older than
// since.
func (s *Store) sweepOrphans(since time.Time) error {
	recorded := map[string]bool{}
	err := s.view(func(t *txn) error {
		return t.keys(bucketPolicies, nil, func(digest []byte) error {
			recorded[string(digest)] = true
			return nil
		})
	})
	if err != nil {
		return err
	}
	dirs, err := os.ReadDir(s.path(modulesDir))
	if err != nil {
		return err
	}
	for _, d := range dirs {
		if !d.IsDir() {
			continue
		}
		err := removeOld(s.path(modulesDir, d.Name()), since, func(name string) bool {
			digest, ok := strings.CutSuffix(name, moduleExt)
			return ok && store.CheckDigest(digest) == nil && !recorded[digest]
		}, func(name string) { s.counts.dropFile(strings.TrimSuffix(name, moduleExt)) })
		if err != nil {
			return err
		}
	}
	return nil
}

// removeOld removes the files of a directory that match and were written
// before a time, and tells of each.
func removeOld(dir string, since time.Time, match func(name string) bool, removed func(name string)) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || !info.ModTime().Before(since) || !match(e.Name()) {
			continue
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
		removed(e.Name())
	}
	return nil
}
