// Package storetest is what every store.Store must pass: each sentence of the
// interface is a test.
package storetest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"idlehost/host/internal/store"
)

// Open opens the store that lies at a place, a directory of the test's own or
// what may be named by one, with a grace for policies that nobody names. A
// place that nothing was put at is an empty store. The test closes it.
type Open func(t *testing.T, place string, grace time.Duration) store.Store

// long is a grace that no test outlives, short one that has passed already.
const (
	long  = time.Hour
	short = time.Nanosecond
)

// Run tests what holds while a store is open.
func Run(t *testing.T, open Open) {
	for _, c := range []struct {
		name string
		test func(*testing.T, store.Store)
	}{
		{"Tenant", testTenant}, {"TenantNames", testTenantNames}, {"TenantValues", testTenantValues},
		{"Tenants", testTenants}, {"Update", testUpdate}, {"UpdateRefused", testUpdateRefused},
		{"UpdatePanics", testUpdatePanics}, {"EditReads", testEditReads}, {"Delete", testDelete},
		{"Revisions", testRevisions}, {"TenantCopies", testTenantCopies},
		{"Watch", testWatch}, {"WatchOneAtATime", testWatchOneAtATime}, {"WatchSlow", testWatchSlow},
		{"WatchStop", testWatchStop}, {"WatchCalls", testWatchCalls}, {"WatchQuiet", testWatchQuiet},
		{"Policy", testPolicy}, {"PolicyRefused", testPolicyRefused}, {"PolicyCopies", testPolicyCopies},
		{"Grace", testGrace}, {"Usage", testUsage}, {"UsageOfStates", testUsageOfStates}, {"UsageOfHeirs", testUsageOfHeirs},
		{"Token", testToken}, {"TokenOfNobody", testTokenOfNobody}, {"Tokens", testTokens},
		{"TokenValues", testTokenValues},
		{"Audit", testAudit}, {"AuditPages", testAuditPages}, {"AuditOfChanges", testAuditOfChanges},
		{"State", testState}, {"StateOfOthers", testStateOfOthers}, {"StateOfHeirs", testStateOfHeirs},
		{"Secret", testSecret},
		{"Cancelled", testCancelled}, {"Closed", testClosed},
		{"ConcurrentUpdates", testConcurrentUpdates}, {"ConcurrentCreates", testConcurrentCreates},
		{"ConcurrentErrors", testConcurrentErrors}, {"ConcurrentSecrets", testConcurrentSecrets},
		{"Hammer", testHammer}, {"CloseWhileBusy", testCloseWhileBusy},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, opened(t, open, t.TempDir(), long)) })
	}
	for _, c := range []struct {
		name string
		test func(*testing.T, store.Store)
	}{
		{"UsageAfterSweep", testUsageAfterSweep}, {"Sweep", testSweep}, {"SweepTokens", testSweepTokens}, {"SweepAndUpload", testSweepAndUpload},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, opened(t, open, t.TempDir(), short)) })
	}
}

// opened opens a store, and closes it with the test.
func opened(t *testing.T, open Open, place string, grace time.Duration) store.Store {
	t.Helper()
	s := open(t, place, grace)
	t.Cleanup(func() { must(t, s.Close()) })
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wants fails the test unless err is one that is wanted.
func wants(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error %v, want %v", err, want)
	}
}

// same fails the test unless two values are the same as JSON.
func same(t testing.TB, what string, got, want any) {
	t.Helper()
	g, err := json.Marshal(got)
	must(t, err)
	w, err := json.Marshal(want)
	must(t, err)
	if string(g) != string(w) {
		t.Errorf("%s:\n got %s\nwant %s", what, g, w)
	}
}

func create(t testing.TB, s store.Store, name string) *store.Tenant {
	t.Helper()
	made := &store.Tenant{Name: name}
	must(t, s.Create(t.Context(), made, entry(name, "tenant.create")))
	return made
}

// change updates a tenant for the sake of an update.
func change(t testing.TB, s store.Store, name string) *store.Tenant {
	t.Helper()
	changed, err := s.Update(t.Context(), name, func(u *store.Tenant) (store.Entry, error) {
		u.Spec.Limits.Connections++
		return entry(name, "tenant.update"), nil
	})
	must(t, err)
	return changed
}

func remove(t testing.TB, s store.Store, name string) {
	t.Helper()
	must(t, s.Delete(t.Context(), name, func(*store.Tenant) (store.Entry, error) {
		return entry(name, "tenant.delete"), nil
	}))
}

func entry(tenant, action string) store.Entry {
	return store.Entry{At: time.Unix(1700000000, 5).UTC(), Actor: "test", Tenant: tenant, Action: action}
}

// module returns bytes and their digest.
func module(seed int) (wasm []byte, digest string) {
	wasm = fmt.Appendf(nil, "\x00asm module %d", seed)
	sum := sha256.Sum256(wasm)
	return wasm, hex.EncodeToString(sum[:])
}

// upload puts a policy and returns its digest.
func upload(t testing.TB, s store.Store, seed int) string {
	t.Helper()
	wasm, digest := module(seed)
	must(t, s.PutPolicy(t.Context(), "", &store.Policy{Digest: digest, Size: len(wasm)}, wasm))
	return digest
}

// uploadFor puts a policy of a tenant and returns its digest.
func uploadFor(t testing.TB, s store.Store, tenant string, seed int) string {
	t.Helper()
	wasm, digest := module(seed)
	must(t, s.PutPolicy(t.Context(), tenant, &store.Policy{Digest: digest, Report: json.RawMessage(`"report"`)}, wasm))
	return digest
}

// unname takes all versions from a tenant.
func unname(t testing.TB, s store.Store, tenant string) {
	t.Helper()
	_, err := s.Update(t.Context(), tenant, func(u *store.Tenant) (store.Entry, error) {
		u.Versions = nil
		return entry(tenant, "policy.delete"), nil
	})
	must(t, err)
}

// name adds a version to a tenant.
func name(t testing.TB, s store.Store, tenant, digest string) {
	t.Helper()
	_, err := s.Update(t.Context(), tenant, func(u *store.Tenant) (store.Entry, error) {
		u.Versions = append(u.Versions, store.Version{Digest: digest})
		return entry(tenant, "policy.upload"), nil
	})
	must(t, err)
}
