package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"
)

// completeWait bounds the asking of a host for what a shell completes.
const completeWait = time.Second

type completion = func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective)

// completion makes a completion out of what a host lists; a host that cannot
// be asked completes nothing.
func (r *remote) completion(f func(*session) []string) completion {
	return func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		parent := cmd.Context()
		if parent == nil {
			parent = context.Background()
		}
		s, err := r.session(cmd)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		defer s.Close()
		ctx, cancel := context.WithTimeout(parent, completeWait)
		defer cancel()
		s.ctx = ctx
		return f(s), cobra.ShellCompDirectiveNoFileComp
	}
}

// complete sets the completion of a flag, which exists.
func complete(cmd *cobra.Command, flag string, f completion) {
	if err := cmd.RegisterFlagCompletionFunc(flag, f); err != nil {
		panic("BUG: " + err.Error())
	}
}

// tenantNames returns the first page of tenants.
func (s *session) tenantNames() (names []string) {
	page, err := s.Tenants(s.ctx, "", 0)
	if err != nil {
		return nil
	}
	for _, t := range page.Items {
		names = append(names, plain(t.Name))
	}
	return names
}

// versions returns a tenant's digests, with the names of the policies.
func (s *session) versions() (digests []string) {
	tenant, err := s.whose()
	if err != nil {
		return nil
	}
	list, err := s.Policies(s.ctx, tenant)
	if err != nil {
		return nil
	}
	for _, p := range list {
		digests = append(digests, cobra.CompletionWithDesc(plain(short(p.Digest)), plain(p.Name+", "+p.State)))
	}
	return digests
}

// completeWord sets the completion of a flag that takes one of some words.
func completeWord(cmd *cobra.Command, flag string, words ...string) {
	complete(cmd, flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
}
