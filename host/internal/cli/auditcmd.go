package cli

import (
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"idlehost/host/internal/api"
)

func newAudit() *cobra.Command {
	r := &remote{}
	var most int
	var before uint64
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Show who has changed what",
		Long: "Show who has changed what, the newest first: of the tenant that is named, else of\n" +
			"the token's own, else, to operators, of all.\n" + aboutRemote,
		Example: "  host audit -t acme\n  host audit --limit 0 --json > audit.json",
		Args:    exactly(0, "no argument"),
		RunE:    r.run(func(s *session, _ []string) error { return s.audit(before, most) }),
	}
	attach(cmd, r)
	cmd.Flags().IntVar(&most, "limit", 50, "show so many; 0: all")
	cmd.Flags().Uint64Var(&before, "before", 0, "only what was before the one with that `number`")
	return cmd
}

func (s *session) audit(before uint64, most int) error {
	if most < 0 {
		return usagef("0 shows all", "--limit: %d is below 0", most)
	}
	tenant := s.named()
	if tenant == "" {
		who, err := s.Whoami(s.ctx)
		if err != nil {
			return err
		}
		tenant = who.Tenant
	}
	all, err := s.entries(tenant, before, most)
	if err != nil || s.asJSON {
		return s.page(all, err)
	}
	t := newTable(s.out, "AT", "ACTOR", "TENANT", "ACTION", "VERSION", "DETAIL")
	for _, e := range all.Items {
		t.row(e.At.Local().Format(time.DateTime), cut(e.Actor, 24), cut(e.Tenant, 12), cut(e.Action, 16), short(e.Digest), cut(e.Detail, 160))
	}
	if err := t.end(); err != nil {
		return err
	}
	if all.Next != "" {
		s.remark("there is more: --before %s, or --limit 0 for all", all.Next)
	}
	return nil
}

func (s *session) entries(tenant string, before uint64, most int) (api.Page[api.Entry], error) {
	all, err := collect(func(next string) (api.Page[api.Entry], error) {
		if next != "" {
			n, err := strconv.ParseUint(next, 10, 64)
			if err != nil {
				return api.Page[api.Entry]{}, fmt.Errorf("the list goes on at %q, which is no number", next)
			}
			before = n
		}
		page := pageItems
		if most > 0 {
			page = min(page, most)
		}
		return s.Audit(s.ctx, tenant, before, page)
	}, most)
	if n := len(all.Items); err == nil && most > 0 && n > most {
		all.Items, all.Next = all.Items[:most], fmt.Sprint(all.Items[most-1].Seq)
	}
	return all, err
}
