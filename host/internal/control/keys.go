package control

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"idlehost/host/internal/api"
	"idlehost/host/internal/store"
)

const (
	// maxKeys bounds what a tenant registers.
	maxKeys = 20
	// maxComment bounds a key's comment, in bytes.
	maxComment = 200
)

// Keys shows the keys that uploads are signed with.
func (c *Control) Keys(ctx context.Context, tenant string) (*api.Keys, error) {
	s, err := c.find(ctx, tenant)
	if err != nil {
		return nil, err
	}
	return s.keys(), nil
}

func (s *tenantView) keys() *api.Keys {
	k := &api.Keys{Keys: []api.Key{}, RequireSignature: s.requires(), ETag: keysTag(s.record)}
	for _, key := range s.record.Keys {
		k.Keys = append(k.Keys, api.Key(key))
	}
	return k
}

// keysTag is made of what the keys are, as the record has no revision of them.
func keysTag(t *store.Tenant) string {
	text, err := json.Marshal(struct {
		Keys    []store.Key
		Require bool
	}{t.Keys, t.Spec.RequireSignature})
	if err != nil {
		panic("BUG: keys do not marshal: " + err.Error())
	}
	sum := sha256.Sum256(text)
	return `"k` + hex.EncodeToString(sum[:8]) + `"`
}

// PutKeys replaces a tenant's keys. Where there are some, the caller must have
// seen them. Only an operator takes unsigned uploads again, or adds to the keys
// of a tenant whose uploads must be signed.
func (c *Control) PutKeys(ctx context.Context, who api.Actor, tenant string, k api.Keys, pre api.Precondition) (*api.Keys, error) {
	keys, err := readKeys(k.Keys, c.now())
	if err != nil {
		return nil, err
	}
	if _, err := c.govern(ctx, tenant); err != nil {
		return nil, err
	}
	leave, err := c.locks.enter(ctx, tenant)
	if err != nil {
		return nil, err
	}
	defer leave()
	s, err := c.govern(ctx, tenant)
	if err != nil {
		return nil, err
	}
	// Before the record of a declared tenant is made for nothing.
	if _, err := replaceKeys(s.record, who, keys, k.RequireSignature, pre); err != nil && !errors.Is(err, errUnchanged) {
		return nil, err
	} else if err != nil {
		return c.Keys(ctx, tenant)
	}
	if err := c.mayChange(who, tenant); err != nil {
		return nil, err
	}
	if err := c.keep(ctx, who, s); err != nil {
		return nil, err
	}
	_, err = c.store.Update(ctx, tenant, func(t *store.Tenant) (store.Entry, error) {
		detail, err := replaceKeys(t, who, keys, k.RequireSignature, pre)
		t.Changed = c.now()
		return store.Entry{At: t.Changed, Actor: who.Name, Tenant: tenant, Action: "keys.change", Detail: detail}, err
	})
	switch {
	case err == nil:
		c.changed(who, tenant)
	case errors.Is(err, errUnchanged):
	case errors.Is(err, store.ErrNotFound):
		return nil, noTenant(tenant)
	case err != nil:
		return nil, kept(err, "keep the keys of tenant "+tenant)
	}
	return c.Keys(ctx, tenant)
}

// replaceKeys changes t, and says what the log is to say.
func replaceKeys(t *store.Tenant, who api.Actor, keys []store.Key, require bool, pre api.Precondition) (detail string, err error) {
	tag, exist := keysTag(t), len(t.Keys) > 0
	if err := check(pre, tag, exist); err != nil {
		return "", err
	}
	if exist && pre.Match == "" {
		return "", required(pre, tag)
	}
	if require && len(keys) == 0 {
		return "", invalid("keys", "without a key nothing could be uploaded: signatures cannot be required")
	}
	if t.Spec.RequireSignature && !require && !who.Operator {
		return "", api.NewProblem(api.KindForbidden, "only an operator takes unsigned policies again")
	}
	if t.Spec.RequireSignature && exist && !who.Operator && slices.ContainsFunc(keys, func(k store.Key) bool { return !has(t.Keys, k.Public) }) {
		// Otherwise a stolen token is enough: it brings a key of its own.
		return "", api.NewProblem(api.KindForbidden, "while signatures are required, only an operator adds a key")
	}
	for i := range keys { // what is known already is as old as it was
		for _, old := range t.Keys {
			if old.Public == keys[i].Public {
				keys[i].Added = old.Added
			}
		}
	}
	if require == t.Spec.RequireSignature && (len(keys) == 0 && len(t.Keys) == 0 || reflect.DeepEqual(keys, t.Keys)) {
		return "", errUnchanged
	}
	if require != t.Spec.RequireSignature {
		t.Spec.RequireSignature, t.SpecRevision = require, t.Revision
	}
	t.Keys = keys
	ids := make([]string, 0, len(keys))
	for _, k := range keys {
		ids = append(ids, k.ID)
	}
	detail = "keys " + strings.Join(ids, " ")
	if len(ids) == 0 {
		detail = "no keys"
	}
	if require {
		detail += ", signatures required"
	}
	return detail, nil
}

func has(keys []store.Key, public string) bool {
	return slices.ContainsFunc(keys, func(k store.Key) bool { return k.Public == public })
}

func readKeys(in []api.Key, now time.Time) (out []store.Key, err error) {
	if len(in) > maxKeys {
		return nil, invalid("keys", "%d keys are too many, at most %d", len(in), maxKeys)
	}
	seen := map[string]bool{}
	for i, k := range in {
		at := fmt.Sprintf("keys[%d]", i)
		id, line, err := readKey(k.Public)
		switch {
		case err != nil:
			return nil, invalid(at+".public", "%s.public: %s", at, err)
		case k.ID != "" && !strings.EqualFold(strings.TrimLeft(k.ID, "0"), strings.TrimLeft(id, "0")):
			return nil, invalid(at+".id", "%s.id is %q, but the key is %s", at, clean(k.ID, 32), id)
		case seen[id]:
			return nil, invalid(at, "%s: key %s is there twice", at, id)
		}
		if err := checkLine(at+".comment", k.Comment, maxComment); err != nil {
			return nil, err
		}
		seen[id] = true
		out = append(out, store.Key{ID: id, Public: line, Comment: k.Comment, Added: now})
	}
	return out, nil
}
