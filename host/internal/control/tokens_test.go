package control_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"idlehost/host/internal/api"
	"idlehost/host/internal/control"
	"idlehost/host/internal/tenant/spec"
)

func TestTokens(t *testing.T) {
	h := newHouse(t)
	ctx := t.Context()
	h.create("shop", spec.Spec{})
	for _, tenant := range []string{"", "shop", "default"} {
		made, err := h.CreateToken(ctx, operator, tenant, api.NewToken{Name: "ci"})
		if err != nil {
			t.Fatal(err)
		}
		who, err := h.Authenticate(ctx, made.Secret)
		want := api.Actor{Operator: tenant == "", Tenant: tenant, Name: "token " + made.ID + " (ci)"}
		if err != nil || who != want {
			t.Errorf("%+v, %v, want %+v", who, err, want)
		}
		list, err := h.Tokens(ctx, tenant)
		if err != nil || len(list) != 1 || list[0].Secret != "" || list[0].ID != made.ID || list[0].By != "olga" {
			t.Errorf("%+v, %v", list, err)
		}
		kept, err := h.store.Token(ctx, made.ID)
		secret := made.Secret[strings.LastIndexByte(made.Secret, '_')+1:]
		if err != nil || bytes.Contains(kept.Hash, []byte(secret)) || len(kept.Hash) != 32 {
			t.Errorf("kept %+v, %v", kept, err)
		}
		other := "shop"
		if tenant == "shop" {
			other = "default"
		}
		wantKind(t, "revoked by another", h.RevokeToken(ctx, operator, other, made.ID), api.KindNotFound)
		if err := h.RevokeToken(ctx, operator, tenant, made.ID); err != nil {
			t.Error(err)
		}
		wantKind(t, "revoked again", h.RevokeToken(ctx, operator, tenant, made.ID), api.KindNotFound)
		_, err = h.Authenticate(ctx, made.Secret)
		wantKind(t, "after", err, api.KindUnauthorized)
		for _, line := range h.log("") {
			if strings.Contains(line, secret) {
				t.Errorf("the log has the secret: %s", line)
			}
		}
	}
}

func TestTokensExpire(t *testing.T) {
	h := newHouse(t)
	made, err := h.CreateToken(t.Context(), operator, "", api.NewToken{Name: "ci", ExpiresIn: spec.Duration(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	at := func(now time.Time) error {
		h.mu.Lock()
		h.now = now.Add(-time.Millisecond) // the clock ticks as it is looked at
		h.mu.Unlock()
		_, err := h.Authenticate(t.Context(), made.Secret)
		return err
	}
	wantKind(t, "just before", at(made.Expires.Add(-time.Nanosecond)), "")
	wantKind(t, "then", at(made.Expires), api.KindUnauthorized)
}

// TestWrongTokensAreAlike: what is wrong with one is nobody's business.
func TestWrongTokensAreAlike(t *testing.T) {
	h := newHouse(t)
	made, err := h.CreateToken(t.Context(), operator, "", api.NewToken{Name: "ci"})
	if err != nil {
		t.Fatal(err)
	}
	flip := func(i int) string {
		b := []byte(made.Secret)
		b[i] = "ab"[b[i]&1] // another letter: 'a' is odd, 'b' is even
		return string(b)
	}
	last := len(made.Secret) - 1
	var first error
	for what, token := range map[string]string{
		"empty": "", "rubbish": "x", "unknown": flip(4), "another secret": flip(last), "cut": made.Secret[:last],
		"long": made.Secret + "a", "upper": strings.ToUpper(made.Secret), "space": made.Secret + " ", "NUL": "idh_\x00" + made.Secret[5:],
		"separator": made.Secret[:14] + "-" + made.Secret[15:],
	} {
		_, err := h.Authenticate(t.Context(), token)
		wantKind(t, what, err, api.KindUnauthorized)
		if first == nil {
			first = err
		}
		if err == nil || err.Error() != first.Error() {
			t.Errorf("%s: %v, elsewhere %v", what, err, first)
		}
	}
}

func TestBadNewTokens(t *testing.T) {
	h := newHouse(t)
	for what, c := range map[string]struct {
		n     api.NewToken
		field string
	}{
		"no name":       {api.NewToken{}, "name"},
		"long name":     {api.NewToken{Name: strings.Repeat("x", 64)}, "name"},
		"line feed":     {api.NewToken{Name: "a\nb"}, "name"},
		"too short":     {api.NewToken{Name: "a", ExpiresIn: spec.Duration(time.Minute - 1)}, "expires_in"},
		"negative":      {api.NewToken{Name: "a", ExpiresIn: -1}, "expires_in"},
		"twenty years ": {api.NewToken{Name: "a", ExpiresIn: spec.Duration(20 * 365 * 24 * time.Hour)}, "expires_in"},
	} {
		_, err := h.CreateToken(t.Context(), operator, "", c.n)
		if p := wantKind(t, what, err, api.KindInvalid); p.Field != c.field {
			t.Errorf("%s: field %q", what, p.Field)
		}
	}
	_, err := h.CreateToken(t.Context(), operator, "nobody", api.NewToken{Name: "a"})
	wantKind(t, "unknown tenant", err, api.KindNotFound)
	wantKind(t, "revoke rubbish", h.RevokeToken(t.Context(), operator, "", "../x\x1b"), api.KindNotFound)
	_, err = h.CreateToken(t.Context(), operator, "", api.NewToken{Name: "shortest", ExpiresIn: spec.Duration(time.Minute)})
	wantKind(t, "a minute", err, "")
}

func TestTokensAreCounted(t *testing.T) {
	h := newHouse(t)
	h.create("shop", spec.Spec{})
	for range 98 {
		if _, err := h.CreateToken(t.Context(), operator, "shop", api.NewToken{Name: "ci", ExpiresIn: spec.Duration(time.Hour)}); err != nil {
			t.Fatal(err)
		}
	}
	var mu sync.Mutex
	made, all := 0, sync.WaitGroup{}
	for i := range 8 {
		all.Go(func() {
			_, err := h.CreateToken(t.Context(), operator, "shop", api.NewToken{Name: fmt.Sprint(i)})
			if err != nil {
				wantKind(t, "one too many", err, api.KindConflict)
				return
			}
			mu.Lock()
			made++
			mu.Unlock()
		})
	}
	all.Wait()
	if made != 2 {
		t.Errorf("%d made beside 98", made)
	}
	h.pass(time.Hour) // those that have expired do not count
	if _, err := h.CreateToken(t.Context(), operator, "shop", api.NewToken{Name: "later"}); err != nil {
		t.Error(err)
	}
}

func TestAuditIsPaged(t *testing.T) {
	h := newHouse(t)
	for i := range 5 {
		if _, err := h.CreateToken(t.Context(), operator, "", api.NewToken{Name: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	var before uint64
	for {
		page, err := h.Audit(t.Context(), "", before, 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Items {
			_, name, _ := strings.Cut(e.Detail, ": ")
			got = append(got, name)
		}
		if page.Next == "" {
			break
		}
		if _, err := fmt.Sscan(page.Next, &before); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(got, []string{"4", "3", "2", "1", "0"}) {
		t.Errorf("%q", got)
	}
	_, err := h.Audit(t.Context(), "nobody", 0, 0)
	wantKind(t, "unknown tenant", err, api.KindNotFound)
	_, err = h.Audit(t.Context(), "", 0, -1)
	wantKind(t, "limit", err, api.KindInvalid)
}

func FuzzToken(f *testing.F) {
	for _, s := range []string{"", "idh_", "idh_aaaaaaaaaa_" + strings.Repeat("a", 52), "idh_aaaaaaaaa1_" + strings.Repeat("a", 52), "idh__" + strings.Repeat("_", 62)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, secret, ok := control.ParseToken(s)
		if ok && "idh_"+id+"_"+secret != s {
			t.Errorf("%q is read as %q %q", s, id, secret)
		}
		if ok && strings.Trim(id+secret, "abcdefghijklmnopqrstuvwxyz234567") != "" {
			t.Errorf("%q has more than base32", s)
		}
	})
}
