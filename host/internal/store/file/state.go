package file

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"idlehost/host/internal/policy"
	"idlehost/host/internal/space"
	"idlehost/host/internal/store"
)

// A file of a state is a seal over the rest, made for the tenant and the
// digest; the Revision at which the tenant was born, 0 for one that is not
// there; the state's format; and its bytes. Numbers have 8 bytes,
// little-endian.
const stateHeader = 8 + 8

// PutState implements store.Store.
func (s *Store) PutState(ctx context.Context, tenant, digest string, st policy.State) error {
	if err := checkState(tenant, digest); err != nil {
		return err
	}
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.end()
	if err := s.putState(tenant, digest, st); err != nil {
		return s.failed(fmt.Errorf("state of %s for tenant %q: %w", digest, tenant, err))
	}
	return nil
}

func (s *Store) putState(tenant, digest string, st policy.State) error {
	s.states.RLock()
	defer s.states.RUnlock()
	born, err := s.born(tenant)
	if err != nil {
		return err
	}
	record := make([]byte, 0, stateHeader+len(st.Bytes))
	record = binary.LittleEndian.AppendUint64(record, born)
	record = binary.LittleEndian.AppendUint64(record, st.Format)
	record = append(record, st.Bytes...)
	data := seal(statesDir, []byte(tenant+"/"+digest), record)
	if err := os.Mkdir(s.path(statesDir, tenant), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := s.writeFile(data, false, statesDir, tenant, digest); err != nil {
		return err
	}
	s.counts.putState(tenant, digest, space.Blocks(int64(len(data))))
	return nil
}

// State implements store.Store. A file that a crash has left damaged is not
// found: the policy learns anew.
func (s *Store) State(ctx context.Context, tenant, digest string) (policy.State, error) {
	if err := s.begin(ctx); err != nil {
		return policy.State{}, err
	}
	defer s.end()
	if checkState(tenant, digest) != nil {
		return policy.State{}, fmt.Errorf("state: %w", store.ErrNotFound)
	}
	data, err := os.ReadFile(s.path(statesDir, tenant, digest))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return policy.State{}, fmt.Errorf("state: %w", err)
	}
	born, err := s.born(tenant)
	if err != nil {
		return policy.State{}, err
	}
	record, err := unseal(statesDir, []byte(tenant+"/"+digest), data)
	if err != nil || len(record) < stateHeader || binary.LittleEndian.Uint64(record) != born {
		return policy.State{}, fmt.Errorf("state of %s for tenant %q: %w", digest, tenant, store.ErrNotFound)
	}
	return policy.State{Format: binary.LittleEndian.Uint64(record[8:]), Bytes: bytes.Clone(record[stateHeader:])}, nil
}

func checkState(tenant, digest string) error {
	return errors.Join(store.CheckName(tenant), store.CheckDigest(digest))
}

// born returns the Revision of a tenant's creation, 0 for one that is not there.
func (s *Store) born(name string) (born uint64, err error) {
	err = s.view(func(t *txn) error {
		kept, err := load[tenant](t, bucketTenants, name)
		if err == nil {
			born = kept.Born
		}
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	return born, err
}

// forget removes the states of a tenant that is gone. What is left of them
// where that fails is seen by nobody, and Sweep takes it.
func (s *Store) forget(name string) {
	s.states.Lock()
	defer s.states.Unlock()
	if born, err := s.born(name); err != nil || born != 0 {
		return // made again meanwhile
	}
	if os.RemoveAll(s.path(statesDir, name)) == nil {
		s.counts.dropStates(name)
	}
}

// sweepStates removes states that nobody has put since a time.
func (s *Store) sweepStates(ctx context.Context, since time.Time) error {
	tenants, err := os.ReadDir(s.path(statesDir))
	if err != nil {
		return err
	}
	for _, d := range tenants {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !d.IsDir() {
			continue
		}
		if err := s.sweepTenant(d.Name(), since); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) sweepTenant(tenant string, since time.Time) error {
	s.states.Lock()
	defer s.states.Unlock()
	dir := s.path(statesDir, tenant)
	err := removeOld(dir, since, func(string) bool { return true }, func(digest string) { s.counts.dropState(tenant, digest) })
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // or the tenant has just been deleted
		return err
	}
	_ = os.Remove(dir) // stays where it is not empty
	return nil
}
