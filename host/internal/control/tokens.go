package control

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"

	"idlehost/host/internal/api"
	"idlehost/host/internal/store"
)

const (
	// maxTokens bounds the tokens of a tenant, and of the operators, that have
	// not expired.
	maxTokens = 100
	// maxTokenName bounds what a token is called, in bytes.
	maxTokenName = 63

	minExpiry = time.Minute
	maxExpiry = 10 * 366 * 24 * time.Hour
)

// Authenticate finds the bearer of a token. Whatever is wrong with one, the
// same is looked up and compared.
func (c *Control) Authenticate(ctx context.Context, token string) (api.Actor, error) {
	no := api.NewProblem(api.KindUnauthorized, "the token is unknown, revoked or expired")
	id, secret, ok := parseToken(token)
	if !ok || c.store == nil {
		return api.Actor{}, no
	}
	t, err := c.store.Token(ctx, id)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return api.Actor{}, kept(err, "look up a token")
	}
	known := err == nil
	if !known {
		t = &store.Token{Hash: make([]byte, sha256.Size)} // nobody's: compared all the same
	}
	right := subtle.ConstantTimeCompare(t.Hash, hashSecret(secret)) == 1
	if !known || !right || expired(t, c.now()) {
		return api.Actor{}, no
	}
	if t.Tenant != "" {
		if _, err := c.find(ctx, t.Tenant); gone(err) {
			return api.Actor{}, no
		} else if err != nil {
			return api.Actor{}, err
		}
	}
	return api.Actor{Operator: t.Tenant == "", Tenant: t.Tenant, Name: fmt.Sprintf("token %s (%s)", t.ID, t.Name)}, nil
}

func expired(t *store.Token, now time.Time) bool {
	return !t.Expires.IsZero() && !now.Before(t.Expires)
}

// owner checks that tokens of tenant can be; "" are the operators'.
func (c *Control) owner(ctx context.Context, tenant string) (*tenantView, error) {
	if tenant == "" {
		return nil, nil
	}
	return c.find(ctx, tenant)
}

// Tokens lists the tokens of a tenant, or of the operators.
func (c *Control) Tokens(ctx context.Context, tenant string) ([]api.Token, error) {
	list := []api.Token{}
	if _, err := c.owner(ctx, tenant); err != nil || c.store == nil {
		return list, err
	}
	tokens, err := c.tokens(ctx, tenant)
	for _, t := range tokens {
		list = append(list, showToken(t))
	}
	return list, err
}

func (c *Control) tokens(ctx context.Context, tenant string) ([]*store.Token, error) {
	list, err := c.store.Tokens(ctx, tenant)
	if errors.Is(err, store.ErrNotFound) { // a declared tenant without a record
		return nil, nil
	}
	return list, kept(err, "list tokens")
}

func showToken(t *store.Token) api.Token {
	return api.Token{ID: t.ID, Name: t.Name, Tenant: t.Tenant, Created: t.Created, By: t.By, Expires: t.Expires}
}

// CreateToken makes a token, whose Secret is in the answer and nowhere else.
func (c *Control) CreateToken(ctx context.Context, who api.Actor, tenant string, n api.NewToken) (*api.Token, error) {
	if err := checkNewToken(n); err != nil {
		return nil, err
	}
	if _, err := c.owner(ctx, tenant); err != nil {
		return nil, err
	}
	if c.store == nil {
		return nil, noStore()
	}
	if err := c.mayChange(who, tenant); err != nil {
		return nil, err
	}
	leave, err := c.locks.enter(ctx, tenant) // tokens are counted
	if err != nil {
		return nil, err
	}
	defer leave()
	s, err := c.owner(ctx, tenant)
	if err != nil {
		return nil, err
	}
	if err := c.countTokens(ctx, tenant); err != nil {
		return nil, err
	}
	if s != nil {
		if err := c.keep(ctx, who, s); err != nil {
			return nil, err
		}
	}
	return c.addToken(ctx, who, tenant, n)
}

func checkNewToken(n api.NewToken) error {
	d := time.Duration(n.ExpiresIn)
	switch {
	case n.Name == "":
		return invalid("name", "name is missing: say what the token is for")
	case d != 0 && (d < minExpiry || d > maxExpiry):
		return invalid("expires_in", "expires_in is %s: from %s to ten years, or 0 for never", d, minExpiry)
	}
	return checkLine("name", n.Name, maxTokenName)
}

func (c *Control) countTokens(ctx context.Context, tenant string) error {
	list, err := c.tokens(ctx, tenant)
	if err != nil {
		return err
	}
	n, now := 0, c.now()
	for _, t := range list {
		if !expired(t, now) {
			n++
		}
	}
	if n >= maxTokens {
		return api.NewProblem(api.KindConflict, "there are %d tokens, and no more may be: revoke one", n)
	}
	return nil
}

func (c *Control) addToken(ctx context.Context, who api.Actor, tenant string, n api.NewToken) (*api.Token, error) {
	secret, now := newSecret(), c.now()
	t := &store.Token{ID: newID(), Name: n.Name, Tenant: tenant, Hash: hashSecret(secret), Created: now, By: who.Name}
	detail := n.Name
	if n.ExpiresIn > 0 {
		t.Expires = now.Add(time.Duration(n.ExpiresIn))
		detail += ", until " + t.Expires.UTC().Format(time.RFC3339)
	}
	for range 3 { // an ID that is taken already is one in 10^15
		err := c.store.PutToken(ctx, t, store.Entry{At: now, Actor: who.Name, Tenant: tenant, Action: "token.create", Detail: t.ID + ": " + detail})
		switch {
		case errors.Is(err, store.ErrExists):
			t.ID = newID()
			continue
		case errors.Is(err, store.ErrNotFound):
			return nil, noTenant(tenant)
		case err != nil:
			return nil, kept(err, "keep a token")
		}
		c.changed(who, tenant)
		shown := showToken(t)
		shown.Secret = tokenText(t.ID, secret)
		return &shown, nil
	}
	return nil, errors.New("every new token has an ID that is taken")
}

// RevokeToken removes a token of the tenant, or of the operators.
func (c *Control) RevokeToken(ctx context.Context, who api.Actor, tenant, id string) error {
	if _, err := c.owner(ctx, tenant); err != nil {
		return err
	}
	if c.store == nil {
		return noStore()
	}
	unknown := api.NewProblem(api.KindNotFound, "there is no token %q", clean(id, 2*idLength))
	if len(id) != idLength || !isBase32(id) {
		return unknown
	}
	t, err := c.store.Token(ctx, id)
	if err == nil && t.Tenant != tenant {
		err = store.ErrNotFound
	}
	if err == nil {
		err = c.store.DeleteToken(ctx, id, store.Entry{
			At: c.now(), Actor: who.Name, Tenant: tenant, Action: "token.revoke", Detail: id + ": " + t.Name,
		})
	}
	if errors.Is(err, store.ErrNotFound) {
		return unknown
	}
	return kept(err, "revoke a token")
}
