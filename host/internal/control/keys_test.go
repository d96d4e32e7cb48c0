package control_test

import (
	"context"
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"idlehost/host/internal/api"
	"idlehost/host/internal/control"
	"idlehost/host/internal/tenant/spec"
)

// golden reads what minisign 0.11 has written, with -W for keys, and -l for the
// legacy form. The secret keys are gone.
func golden(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func header(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

const alice = "3002F74ABBBEE46A" // as minisign has called it

func publicKey(t testing.TB, name string) string {
	return strings.Split(golden(t, name), "\n")[1]
}

func TestSignaturesNeedAKey(t *testing.T) {
	h := newHouse(t)
	h.create("shop", spec.Spec{})
	_, err := h.PutKeys(t.Context(), operator, "shop", api.Keys{Keys: []api.Key{}, RequireSignature: true}, api.Precondition{})
	if p := wantKind(t, "no key", err, api.KindInvalid); p.Field != "keys" {
		t.Errorf("field %q", p.Field)
	}
}

func TestSignedUploads(t *testing.T) {
	h := newHouse(t)
	h.create("shop", spec.Spec{RequireSignature: true})
	ctx, wasm := t.Context(), []byte(golden(t, "module.wasm"))
	good, legacy := golden(t, "module.minisig"), golden(t, "legacy.minisig")
	upload := func(text string) (*api.Policy, error) {
		u := api.Upload{Name: "signed", Wasm: wasm}
		if text != "" {
			u.Signature = header(text)
		}
		p, _, err := h.Upload(ctx, operator, "shop", u)
		return p, err
	}
	_, err := upload(good)
	wantKind(t, "no key is registered", err, api.KindSignature)
	_, err = h.PutKeys(ctx, operator, "shop", api.Keys{Keys: []api.Key{{Public: publicKey(t, "alice.pub"), Comment: "alice"}}, RequireSignature: true}, api.Precondition{})
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(good, "\n")
	swap := func(i int, text string) string {
		l := slices.Clone(lines)
		l[i] = text
		return strings.Join(l, "\n")
	}
	for what, text := range map[string]string{
		"none":                        "",
		"another's":                   golden(t, "mallory.minisig"),
		"another trusted comment":     swap(2, "trusted comment: release 2 of the shop's policy"),
		"no trusted comment":          swap(2, "a comment"),
		"legacy's comment signature":  swap(3, strings.Split(legacy, "\n")[3]),
		"signature of something else": swap(1, strings.Replace(lines[1], "x", "y", 1)),
		"short":                       strings.Join(lines[:3], "\n"),
		"no comment":                  strings.Join(lines[1:], "\n"),
		"rubbish":                     "untrusted comment:\n\n\n\n",
		"empty lines":                 "\n\n\n\n",
		"a public key":                golden(t, "alice.pub"),
	} {
		_, err := upload(text)
		if p := wantKind(t, what, err, api.KindSignature); p.Field != api.SignatureHeader {
			t.Errorf("%s: field %q", what, p.Field)
		}
	}
	if h.runtime.checked() != 0 {
		t.Error("what is not signed was checked")
	}
	for what, text := range map[string]string{"prehashed": good, "legacy": legacy, "with CRLF": strings.ReplaceAll(good, "\n", "\r\n")} {
		p, err := upload(text)
		if err != nil || p.SignedBy != alice {
			t.Errorf("%s: %+v, %v", what, p, err)
		}
	}
	other := append(slices.Clone(wasm), 0)
	_, _, err = h.Upload(ctx, operator, "shop", api.Upload{Wasm: other, Signature: header(good)})
	wantKind(t, "another module", err, api.KindSignature)
	if got := h.log("shop"); !slices.Contains(got, "olga policy.upload signed, signed by "+alice) {
		t.Errorf("log %q", got)
	}
}

// TestSignatureThatComesLater: a version that is there unsigned gets it.
func TestSignatureThatComesLater(t *testing.T) {
	h := newHouse(t)
	h.create("shop", spec.Spec{})
	wasm := []byte(golden(t, "module.wasm"))
	u := api.Upload{Name: "p", Wasm: wasm}
	if p, created, err := h.Upload(t.Context(), operator, "shop", u); err != nil || !created || p.SignedBy != "" {
		t.Fatalf("%+v %v", p, err)
	}
	u.Signature = header(golden(t, "module.minisig"))
	_, _, err := h.Upload(t.Context(), operator, "shop", u)
	wantKind(t, "a bad signature, though none is needed", err, api.KindSignature)
	if _, err := h.PutKeys(t.Context(), operator, "shop", api.Keys{Keys: []api.Key{{Public: golden(t, "alice.pub")}}}, api.Precondition{}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if p, created, err := h.Upload(t.Context(), operator, "shop", u); err != nil || created || p.SignedBy != alice {
			t.Errorf("%+v %t %v", p, created, err)
		}
	}
	if got := h.log("shop"); got[0] != "olga policy.sign p, signed by "+alice || strings.Contains(got[1], "policy.sign") {
		t.Errorf("log %q", got)
	}
}

// TestKeyRevokedDuringTheCheck: what counts is when the version is kept.
func TestKeyRevokedDuringTheCheck(t *testing.T) {
	h := newHouse(t)
	h.create("shop", spec.Spec{})
	if _, err := h.PutKeys(t.Context(), operator, "shop", api.Keys{Keys: []api.Key{{Public: publicKey(t, "alice.pub")}}}, api.Precondition{}); err != nil {
		t.Fatal(err)
	}
	h.runtime.do(func() {
		h.runtime.onCheck = func(context.Context) {
			if _, err := h.PutKeys(context.Background(), operator, "shop", api.Keys{}, api.Precondition{Match: "*"}); err != nil {
				t.Error(err)
			}
		}
	})
	_, _, err := h.Upload(t.Context(), operator, "shop",
		api.Upload{Wasm: []byte(golden(t, "module.wasm")), Signature: header(golden(t, "module.minisig"))})
	wantKind(t, "upload", err, api.KindSignature)
}

func TestKeys(t *testing.T) {
	h := newHouse(t)
	tag := h.create("shop", spec.Spec{}).ETag
	tenant := api.Actor{Tenant: "shop", Name: "token x (ci)"}
	a, m := publicKey(t, "alice.pub"), publicKey(t, "mallory.pub")
	empty, err := h.Keys(t.Context(), "shop")
	if err != nil || empty.Keys == nil || len(empty.Keys) != 0 || empty.ETag == "" {
		t.Fatalf("%+v, %v", empty, err)
	}
	put := func(pre api.Precondition, require bool, keys ...api.Key) (*api.Keys, error) {
		return h.PutKeys(t.Context(), tenant, "shop", api.Keys{Keys: keys, RequireSignature: require}, pre)
	}
	one, err := put(api.Precondition{Match: empty.ETag}, true, api.Key{Public: a, Comment: "laptop"})
	if err != nil || len(one.Keys) != 1 || one.Keys[0].ID != alice || one.Keys[0].Added.IsZero() || !one.RequireSignature || one.ETag == empty.ETag {
		t.Fatalf("%+v, %v", one, err)
	}
	_, err = put(api.Precondition{}, true)
	wantKind(t, "replace, nothing said", err, api.KindPreconditionNeed)
	_, err = put(api.Precondition{Match: empty.ETag}, true)
	wantKind(t, "replace, old tag", err, api.KindPrecondition)
	_, err = put(api.Precondition{Absent: true}, true)
	wantKind(t, "replace, absent", err, api.KindPrecondition)
	_, err = put(api.Precondition{Match: one.ETag}, false)
	wantKind(t, "unsigned again, by the tenant", err, api.KindForbidden)
	// What a tenant has switched on, an operator who has not seen it does not
	// switch off by a change of the Spec.
	_, _, err = h.PutTenant(t.Context(), operator, "shop", spec.Spec{}, api.Precondition{Match: tag})
	wantKind(t, "the Spec, as it was before", err, api.KindPrecondition)

	before := len(h.log("shop"))
	same, err := put(api.Precondition{Match: one.ETag}, true, api.Key{ID: strings.ToLower(alice), Public: a, Comment: "laptop"})
	if err != nil || same.ETag != one.ETag || len(h.log("shop")) != before {
		t.Errorf("the same again: %+v, %v", same, err)
	}
	for _, keys := range [][]api.Key{{{Public: a}, {Public: m}}, {{Public: m}}} {
		_, err = put(api.Precondition{Match: one.ETag}, true, keys...)
		wantKind(t, "a key of the thief's, by a stolen token", err, api.KindForbidden)
	}
	two, err := h.PutKeys(t.Context(), operator, "shop", api.Keys{Keys: []api.Key{{Public: a, Comment: "old"}, {Public: m}}, RequireSignature: true},
		api.Precondition{Match: one.ETag})
	if err != nil || len(two.Keys) != 2 || !two.Keys[0].Added.Equal(one.Keys[0].Added) || !two.Keys[1].Added.After(one.Keys[0].Added) {
		t.Errorf("%+v, %v", two, err)
	}
	fewer, err := put(api.Precondition{Match: two.ETag}, true, api.Key{Public: m})
	if err != nil || len(fewer.Keys) != 1 {
		t.Errorf("a key that the tenant revokes: %+v, %v", fewer, err)
	}
	none, err := h.PutKeys(t.Context(), operator, "shop", api.Keys{}, api.Precondition{Match: fewer.ETag})
	if err != nil || none.RequireSignature || len(none.Keys) != 0 || none.ETag != empty.ETag {
		t.Errorf("%+v, %v", none, err)
	}
	for what, keys := range map[string][]api.Key{
		"rubbish":     {{Public: "x"}},
		"empty":       {{}},
		"twice":       {{Public: a}, {Public: a}},
		"another ID":  {{Public: a, ID: "0000000000000000"}},
		"no Ed25519":  {{Public: "AAAA" + a[4:]}},
		"a signature": {{Public: golden(t, "module.minisig")}},
		"comment":     {{Public: a, Comment: "a\nb"}},
		"too many":    slices.Repeat([]api.Key{{Public: a}}, 21),
	} {
		_, err := put(api.Precondition{}, false, keys...)
		if p := wantKind(t, what, err, api.KindInvalid); !strings.HasPrefix(p.Field, "keys") {
			t.Errorf("%s: field %q", what, p.Field)
		}
	}
}

// TestRealMinisign signs with the program itself.
func TestRealMinisign(t *testing.T) {
	program, err := exec.LookPath("minisign")
	if err != nil {
		t.Skip("there is no minisign on this machine: only what it signed once is tested")
	}
	dir := t.TempDir()
	run := func(args ...string) {
		t.Helper()
		cmd := exec.Command(program, args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("minisign %q: %v\n%s", args, err, out)
		}
	}
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	run("-G", "-W", "-p", "k.pub", "-s", "k.key")
	if err := os.WriteFile(filepath.Join(dir, "m.wasm"), []byte("a module"), 0o600); err != nil {
		t.Fatal(err)
	}
	run("-S", "-s", "k.key", "-m", "m.wasm", "-x", "new.minisig", "-t", "hello")
	run("-S", "-l", "-s", "k.key", "-m", "m.wasm", "-x", "old.minisig")
	h := newHouse(t)
	h.create("shop", spec.Spec{RequireSignature: true})
	keys, err := h.PutKeys(t.Context(), operator, "shop", api.Keys{Keys: []api.Key{{Public: read("k.pub")}}, RequireSignature: true}, api.Precondition{})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(read("k.pub"), "public key "+keys.Keys[0].ID+"\n") {
		t.Errorf("key %s is that of %q", keys.Keys[0].ID, read("k.pub"))
	}
	for _, name := range []string{"new.minisig", "old.minisig"} {
		if _, _, err := h.Upload(t.Context(), operator, "shop", api.Upload{Wasm: []byte("a module"), Signature: header(read(name))}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestKeyWithZeros: minisign prints the ID without those before it.
func TestKeyWithZeros(t *testing.T) {
	raw := append([]byte("Ed"), make([]byte, 40)...)
	raw[2], raw[3] = 0x34, 0x12
	id, _, err := control.ReadKey(base64.StdEncoding.EncodeToString(raw))
	if err != nil || id != "1234" {
		t.Errorf("%q, %v", id, err)
	}
}

func FuzzSignature(f *testing.F) {
	for _, name := range []string{"module.minisig", "legacy.minisig", "mallory.minisig", "alice.pub"} {
		f.Add(golden(f, name))
	}
	f.Add("untrusted comment:\n\n\n\n")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		for _, s := range []string{header(text), text} {
			sig, err := control.ReadSignature(s)
			if err != nil && kind(err) != api.KindSignature {
				t.Errorf("%q: %v", s, err)
			}
			if err == nil && len(sig.UntrustedComment) == 0 {
				t.Errorf("%q: no comment", s)
			}
		}
		id, line, err := control.ReadKey(text)
		if err == nil && (len(id) > 16 || len(line) != 56) {
			t.Errorf("key %q: %q %q", text, id, line)
		}
	})
}
