package tenant

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// digests are like those of modules.
func digests(n int) (ds []string) {
	r := rand.New(rand.NewPCG(1, 2))
	for range n {
		ds = append(ds, fmt.Sprintf("%016x%016x%016x%016x", r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64()))
	}
	return ds
}

// TestSidesHaveTheirShare: of clients by keyed hash, and of clients that are
// numbered, the percentage within five standard deviations; 200 canaries.
func TestSidesHaveTheirShare(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	const clients = 20_000
	for _, digest := range digests(50) {
		for _, percent := range []float64{0.5, 5, 50, 99} {
			s := newSides(digest, percent)
			hashed, numbered := 0, 0
			for c := uint64(1); c <= clients; c++ {
				if s.canary(c) {
					numbered++
				}
				if s.canary(r.Uint64()) {
					hashed++
				}
			}
			p := percent / 100
			sigma := math.Sqrt(clients * p * (1 - p))
			for what, n := range map[string]int{"hashed": hashed, "numbered": numbered} {
				if math.Abs(float64(n)-clients*p) > 5*sigma {
					t.Errorf("%v %% of %s clients: %d of %d", percent, what, n, clients)
				}
			}
		}
	}
}

// TestSidesAreUniform: a chi-square test of where clients' hashes lie, in 256
// parts; its 99.999th percentile for 255 degrees of freedom is about 358.
func TestSidesAreUniform(t *testing.T) {
	for _, digest := range digests(20) {
		var parts [256]float64
		salt := newSides(digest, 1).salt
		const clients = 256 * 100
		for c := uint64(1); c <= clients; c++ {
			parts[mix(c^salt)>>56]++
		}
		chi := 0.0
		for _, n := range parts {
			chi += (n - 100) * (n - 100) / 100
		}
		if chi > 358 {
			t.Errorf("%s: chi-square %.0f", policy.ShortDigest(digest), chi)
		}
	}
}

func TestAGrowingPercentageOnlyAddsClients(t *testing.T) {
	digest := digests(1)[0]
	for c := uint64(1); c < 2000; c++ {
		was := false
		for percent := 0.0; percent <= 100; percent += 0.5 {
			is := newSides(digest, percent).canary(c)
			if was && !is || is && percent == 0 || !is && percent == 100 {
				t.Fatalf("client %d at %v %%: %v, before %v", c, percent, is, was)
			}
			was = is
		}
	}
}

// TestAnotherCanaryTakesOtherClients: the sides of two digests are
// independent, so a tenth of a tenth is common to them.
func TestAnotherCanaryTakesOtherClients(t *testing.T) {
	ds := digests(20)
	for i, d := range ds[1:] {
		a, b := newSides(ds[i], 10), newSides(d, 10)
		both := 0
		const clients = 100_000
		for c := uint64(1); c <= clients; c++ {
			if a.canary(c) && b.canary(c) {
				both++
			}
		}
		if math.Abs(float64(both)-clients/100) > 5*math.Sqrt(clients/100) {
			t.Errorf("%d clients are common to two canaries of 10 %%, want about %d", both, clients/100)
		}
	}
}

func TestSomeQuestionsAreTheActivesAlways(t *testing.T) {
	tn := New(Config{})
	tn.Set(Plan{Active: with(&fakeGuest{digest: "a", reason: 1}), Canary: with(&fakeGuest{digest: "c", reason: 2}), Percent: 100})
	dialled := at(abi.KindTimeout, 7)
	dialled.Event.Side = uint8(abi.SideDialled)
	for what, ask := range map[string]*policy.Ask{"dialled": dialled, "unknown client": at(abi.KindTimeout, 0)} {
		if v := tn.Decide(ask); v.Reason != 1 || v.Role != policy.RoleActive {
			t.Errorf("%s: %+v", what, v)
		}
	}
	if v := tn.Decide(at(abi.KindTimeout, 7)); v.Reason != 2 {
		t.Errorf("accepted: %+v", v)
	}
	if role, digest := tn.Side(0); role != policy.RoleActive || digest != "a" {
		t.Errorf("side of nobody: %v, %s", role, digest)
	}
	if role, digest := tn.Side(7); role != policy.RoleCanary || digest != "c" {
		t.Errorf("side: %v, %s", role, digest)
	}
}

// TestSideIsWhereDecideAsks: for any percentage, and what is no percentage.
func TestSideIsWhereDecideAsks(t *testing.T) {
	tn := New(Config{})
	for _, percent := range []float64{-1, 0, 1e-9, 33.3, 100, 250, math.NaN(), math.Inf(1)} {
		tn.Set(Plan{Active: with(&fakeGuest{digest: "a"}), Canary: with(&fakeGuest{digest: "c"}), Percent: percent})
		for c := range uint64(200) {
			role, digest := tn.Side(c)
			if v := tn.Decide(at(abi.KindTimeout, c)); v.Role != role || (role == policy.RoleCanary) != (digest == "c") {
				t.Errorf("%v %%, client %d: asked %v, side %v, %s", percent, c, v.Role, role, digest)
			}
			if role == policy.RoleCanary && !(percent > 0) {
				t.Errorf("%v %%: client %d is the canary's", percent, c)
			}
		}
	}
}
