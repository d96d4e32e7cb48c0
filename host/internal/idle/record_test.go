package idle

import (
	"reflect"
	"testing"
	"unsafe"

	"idlehost/host/internal/policy"
)

// TestConnBudget keeps the record of a connection within a size class of the
// allocator: the next one is 64 bytes more for each, parked or not.
func TestConnBudget(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) != 8 {
		t.Skip("the budget is for 64 bits")
	}
	const class = 512
	if n := unsafe.Sizeof(Conn{}); n > class {
		t.Errorf("a Conn takes %d bytes, want at most %d", n, class)
	}
	typ, end := reflect.TypeFor[Conn](), uintptr(0)
	for i := range typ.NumField() {
		f := typ.Field(i)
		if f.Offset != end {
			t.Errorf("%d bytes are wasted before field %s", f.Offset-end, f.Name)
		}
		end = f.Offset + f.Type.Size()
	}
}

// TestLeasesAreShared: connections whose policy sets the same leases hold them
// once, and one that changes its own changes nobody else's.
func TestLeasesAreShared(t *testing.T) {
	a := new(Account)
	one := a.share(&leases{1, 2, 3})
	if a.share(&leases{1, 2, 3}) != one {
		t.Error("equal leases are held twice")
	}
	other := a.share(&leases{1, 2, 4})
	if *one != (leases{1, 2, 3}) || *other != (leases{1, 2, 4}) {
		t.Errorf("leases changed: %v, %v", *one, *other)
	}
}

// TestAccountBudget keeps what 10,000 tenants cost while none of them has a
// connection: two accounts each, under shared terms.
func TestAccountBudget(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) != 8 {
		t.Skip("the budget is for 64 bits")
	}
	if n := unsafe.Sizeof(Account{}) + unsafe.Sizeof(law{}); n > 176 {
		t.Errorf("an account takes %d bytes, want at most 176", n)
	}
	terms := NewTerms(testTimeouts)
	a, b := terms.Account("a", nil, nil, policy.Limits{}), terms.Account("b", nil, nil, policy.Limits{Connections: 2})
	if a.law.Load().Terms != b.law.Load().Terms {
		t.Error("terms are held twice")
	}
	if n := testing.AllocsPerRun(100, func() { terms.Account("a", nil, nil, policy.Limits{}) }); n > 2 {
		t.Errorf("%v allocations an account", n)
	}
}
