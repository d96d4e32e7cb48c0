package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"idlehost/host/internal/api"
	"idlehost/host/internal/tenant/spec"
)

const aboutToken = `Tokens let their bearers in: a tenant's reaches that tenant only, an operator's
everything. A token is printed once, when it is made; the host keeps a hash.
`

func newToken(r *remote) *cobra.Command {
	var operators bool
	cmd := newGroup("token", "Make, list and revoke tokens of a tenant or of operators", nil,
		newTokenCreate(r, &operators), newTokenList(r, &operators), newTokenRemove(r, &operators))
	cmd.Long = aboutToken + aboutRemote
	cmd.PersistentFlags().BoolVar(&operators, "operator", false, "those of operators, not of a tenant")
	return cmd
}

// owner returns whose tokens a command is about; empty: the operators'.
func (s *session) owner(operators bool) (string, error) {
	if !operators {
		return s.whose()
	}
	if s.tenant != "" {
		return "", usagef("say one of the two", "--operator: tokens of operators have no tenant")
	}
	return "", nil
}

func newTokenCreate(r *remote, operators *bool) *cobra.Command {
	var name, expires string
	cmd := &cobra.Command{
		Use:   "create --name NAME",
		Short: "Make a token, and print it once",
		Example: "  host tenant token create -t acme --name ci --expires 90d > acme.token\n" +
			"  host tenant token create --operator --name alice",
		Args: exactly(0, "no argument"),
	}
	cmd.Flags().StringVar(&name, "name", "", "what people call it")
	cmd.Flags().StringVar(&expires, "expires", "", "`time` for which it is good: 12h, 90d (default: for ever)")
	cmd.RunE = r.run(func(s *session, _ []string) error {
		if name == "" {
			return usagef("such as --name ci", "the token needs a name")
		}
		d, err := days(expires)
		if err != nil {
			return err
		}
		tenant, err := s.owner(*operators)
		if err != nil {
			return err
		}
		t, err := s.CreateToken(s.ctx, tenant, api.NewToken{Name: name, ExpiresIn: spec.Duration(d)})
		if err != nil {
			return err
		}
		s.remark("this is the only time that token %s is shown; whoever has it is %s", t.ID, bearer(tenant))
		if s.asJSON {
			return writeJSON(s.out, t)
		}
		_, err = fmt.Fprintln(s.out, plain(t.Secret))
		return err
	})
	return cmd
}

func bearer(tenant string) string {
	if tenant == "" {
		return "an operator"
	}
	return "tenant " + tenant
}

// days reads a duration as Go has it, or a number of days.
func days(text string) (time.Duration, error) {
	const most = 36500
	if text == "" {
		return 0, nil
	}
	if number, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(number); err == nil && n > 0 && n <= most {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	} else if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return d, nil
	}
	return 0, usagef("such as 12h or 90d", "--expires: %q is no duration", text)
}

func newTokenList(r *remote, operators *bool) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List tokens, without their secrets",
		Example: "  host tenant token list -t acme\n  host tenant token list --operator",
		Args:    exactly(0, "no argument"),
		RunE: r.run(func(s *session, _ []string) error {
			tenant, err := s.owner(*operators)
			if err != nil {
				return err
			}
			tokens, err := s.Tokens(s.ctx, tenant)
			if err != nil || s.asJSON {
				return s.page(api.Page[api.Token]{Items: tokens}, err)
			}
			t := newTable(s.out, "ID", "NAME", "CREATED", "EXPIRES", "BY")
			for _, k := range tokens {
				t.row(cut(k.ID, 16), cut(k.Name, 32), ago(k.Created)+" ago", until(k.Expires), cut(k.By, 24))
			}
			return t.end()
		}),
	}
}

// until returns how far off an expiry is.
func until(at time.Time) string {
	left := time.Until(at)
	switch {
	case at.IsZero():
		return "never"
	case left <= 0:
		return "expired"
	}
	return "in " + age(left)
}

func newTokenRemove(r *remote, operators *bool) *cobra.Command {
	return &cobra.Command{
		Use:     "rm ID",
		Short:   "Revoke a token; it is no use from the next request on",
		Example: "  host tenant token rm -t acme 4fz2k7ab3c",
		Args:    exactly(1, "one ID"),
		RunE: r.run(func(s *session, args []string) error {
			tenant, err := s.owner(*operators)
			if err != nil {
				return err
			}
			if err := s.RevokeToken(s.ctx, tenant, args[0]); err != nil {
				return err
			}
			return s.done("revoked token %s", args[0])
		}),
	}
}
