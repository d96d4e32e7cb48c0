package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"idlehost/host/internal/api"
	"idlehost/host/internal/client"
	"idlehost/host/internal/tenant/spec"
)

func newTenant() *cobra.Command {
	r := &remote{}
	return newGroup("tenant", "Make, change and remove the tenants of a running host", r,
		newTenantCreate(r), newTenantList(r), newTenantShow(r), newTenantSet(r), newTenantRemove(r),
		newToken(r), newKey(r), newRecord(r))
}

func newTenantCreate(r *remote) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a tenant",
		Example: "  host tenant create acme --host acme.example --host '*.acme.example' --upstream http://127.0.0.1:3000\n" +
			"  host tenant create quiet --connections 1000 --client-connections 20 --ceiling 5m",
		Args: exactly(1, "one name"),
	}
	flags := newSpecFlags(cmd.Flags())
	cmd.RunE = r.run(func(s *session, args []string) error {
		var want spec.Spec
		flags.apply(&want)
		t, _, err := s.PutTenant(s.ctx, args[0], want, api.Precondition{Absent: true})
		if client.Kind(err) == api.KindPrecondition {
			return hintf("host tenant set "+plain(args[0])+" changes it", "tenant %q exists already", args[0])
		}
		return s.tenantDone(t, "created", err)
	})
	return cmd
}

func newTenantSet(r *remote) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "set NAME",
		Short: "Change what flags name, and leave the rest of a tenant as it is",
		Example: "  host tenant set acme --connections 2000\n" +
			"  host tenant set acme --host acme.example --upstream ''",
		Args:              exactly(1, "one name"),
		ValidArgsFunction: r.completion((*session).tenantNames),
	}
	flags := newSpecFlags(cmd.Flags())
	cmd.RunE = r.run(func(s *session, args []string) error {
		if !flags.given() {
			return usagef("see host tenant set --help", "nothing to change")
		}
		t, err := s.Tenant(s.ctx, args[0])
		if err != nil {
			return err
		}
		flags.apply(&t.Spec)
		t, _, err = s.PutTenant(s.ctx, args[0], t.Spec, api.Precondition{Match: t.ETag})
		return s.tenantDone(t, "changed", err)
	})
	return cmd
}

// tenantDone tells of a tenant that was put.
func (s *session) tenantDone(t *api.Tenant, done string, err error) error {
	switch {
	case err != nil:
		return err
	case s.asJSON:
		return writeJSON(s.out, t)
	}
	fmt.Fprintf(s.out, "%s tenant %s\n", done, plain(t.Name))
	return nil
}

func newTenantList(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the tenants",
		Example: "  host tenant list\n  host tenant list --json | jq -r '.items[].name'",
		Args:    exactly(0, "no argument"),
		RunE: r.run(func(s *session, _ []string) error {
			all, err := collect(func(after string) (api.Page[api.Tenant], error) { return s.Tenants(s.ctx, after, pageItems) }, 0)
			if err != nil || s.asJSON {
				return s.page(all, err)
			}
			t := newTable(s.out, "NAME", "POLICY", "OPEN", "HOSTS", "CHANGED", "")
			for _, item := range all.Items {
				t.row(cut(item.Name, 24), orHosts(item.Active), fmt.Sprint(item.Open), cut(list(item.Spec.Hosts), 32), ago(item.Changed), declared(item))
			}
			return t.end()
		}),
	}
}

func declared(t api.Tenant) string {
	if t.Declared {
		return "declared"
	}
	return ""
}

// orHosts returns a short digest, or says whose policy it is.
func orHosts(digest string) string {
	if digest == "" {
		return "host's own"
	}
	return short(digest)
}

func newTenantShow(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:               "show [NAME]",
		Short:             "Show a tenant and its limits",
		Long:              "Show a tenant: what was decided about it, and the limits that come of it.\nWith --json, limits are a second object.\n" + aboutRemote,
		Example:           "  host tenant show acme",
		Args:              atMost(1, "one name"),
		ValidArgsFunction: r.completion((*session).tenantNames),
		RunE: r.run(func(s *session, args []string) error {
			name, err := s.argument(args)
			if err != nil {
				return err
			}
			t, err := s.Tenant(s.ctx, name)
			if err != nil {
				return err
			}
			l, err := s.Limits(s.ctx, name)
			if err != nil {
				return err
			}
			if s.asJSON {
				if err := writeJSON(s.out, t); err != nil {
					return err
				}
				return writeJSON(s.out, l)
			}
			return writeTenant(s.out, t, l)
		}),
	}
}

// argument returns the tenant that is named as the argument, else as usual.
func (s *session) argument(args []string) (string, error) {
	if len(args) > 0 {
		return args[0], nil
	}
	return s.whose()
}

func newTenantRemove(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:               "rm NAME",
		Short:             "Remove a tenant with its policies and tokens; its connections end politely",
		Example:           "  host tenant rm acme",
		Args:              exactly(1, "one name"),
		ValidArgsFunction: r.completion((*session).tenantNames),
		RunE: r.run(func(s *session, args []string) error {
			t, err := s.Tenant(s.ctx, args[0])
			if err != nil {
				return err
			}
			if err := s.DeleteTenant(s.ctx, args[0], api.Precondition{Match: t.ETag}); err != nil {
				return err
			}
			return s.done("removed tenant %s", args[0])
		}),
	}
}

// done says that something that has no answer was done; to scripts the exit
// code says so.
func (s *session) done(format string, args ...any) error {
	if s.asJSON {
		return nil
	}
	_, err := fmt.Fprintln(s.out, plain(fmt.Sprintf(format, args...)))
	return err
}
