package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"idlehost/host/internal/api"
)

// takeStep takes a step and shows what comes of it.
func (s *session) takeStep(tenant string, st *api.Step, pre api.Precondition) error {
	bar := s.progress("the host puts it in force", 0)
	r, err := s.Step(s.ctx, tenant, *st, pre)
	bar.end()
	if err != nil {
		return err
	}
	return s.showRollout(tenant, r)
}

// stepCommand returns a command that takes a step. missing finds the version
// where none is named; nil: the step needs none.
func (r *remote) stepCommand(cmd *cobra.Command, st *api.Step, pairs *[]string, missing func(*api.Rollout) string) *cobra.Command {
	cmd.Args = atMost(1, "one version")
	cmd.ValidArgsFunction = r.completeVersions()
	cmd.RunE = r.run(func(s *session, args []string) error {
		var err error
		if pairs != nil {
			if st.Params, err = pluginParams(*pairs); err != nil {
				return err
			}
		}
		var tenant string
		if tenant, st.Digest, err = s.about(args); err != nil {
			return err
		}
		var pre api.Precondition
		if st.Digest == "" && missing != nil {
			if st.Digest, pre, err = s.present(tenant, missing); err != nil {
				return err
			}
		}
		return s.takeStep(tenant, st, pre)
	})
	return cmd
}

// present returns the version of the present rollout that is meant, on the
// condition that it stays so: the step can then be repeated, and is not taken
// with what somebody else has put there meanwhile.
func (s *session) present(tenant string, which func(*api.Rollout) string) (string, api.Precondition, error) {
	r, err := s.Rollout(s.ctx, tenant)
	if err != nil {
		return "", api.Precondition{}, err
	}
	return which(r), api.Precondition{Match: r.ETag}, nil
}

func canaryOf(r *api.Rollout) string {
	if r.Canary == nil {
		return ""
	}
	return r.Canary.Digest
}

// latestOf is what a rollback takes back.
func latestOf(r *api.Rollout) string {
	if d := canaryOf(r); d != "" || r.Active == nil {
		return d
	}
	return r.Active.Digest
}

func newShadow(r *remote) *cobra.Command {
	var off bool
	var pairs []string
	cmd := &cobra.Command{
		Use:   "shadow VERSION | --off",
		Short: "Ask a version beside the one in charge, and compare",
		Example: "  host policy shadow 1a2b3c4d5e6f --plugin-config idle=30s\n" +
			"  host policy shadow --off",
	}
	cmd.Flags().StringArrayVar(&pairs, "plugin-config", nil, pluginConfigUsage)
	cmd.Flags().BoolVar(&off, "off", false, "end the comparison")
	cmd = r.stepCommand(cmd, &api.Step{Kind: api.StepShadow}, &pairs, nil)
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if off == (len(args) == 1) || len(args) > 1 {
			return usagef("usage: "+cmd.UseLine(), "%s takes one version, or --off", cmd.CommandPath())
		}
		return nil
	}
	return cmd
}

func newCanary(r *remote) *cobra.Command {
	var pairs []string
	st := &api.Step{Kind: api.StepCanary}
	cmd := &cobra.Command{
		Use:   "canary [VERSION]",
		Short: "Put a version in charge of a part of the clients",
		Long: "Put a version in charge of a part of the clients: always the same ones, and more\n" +
			"of them as the percentage grows. Without VERSION: the present canary. A canary\n" +
			"that does worse than the version in charge is taken back by itself.\n" + aboutRemote,
		Example: "  host policy canary 1a2b3c4d5e6f --percent 10\n  host policy canary --percent 50",
	}
	cmd.Flags().Float64Var(&st.Percent, "percent", 10, "`percentage` of the clients")
	cmd.Flags().StringArrayVar(&pairs, "plugin-config", nil, pluginConfigUsage)
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if !(st.Percent > 0 && st.Percent <= 100) {
			return usagef("such as --percent 10", "--percent: %v is not above 0 and at most 100", st.Percent)
		}
		return nil
	}
	return r.stepCommand(cmd, st, &pairs, func(ro *api.Rollout) string {
		if ro.Canary != nil && len(pairs) == 0 {
			st.Params = ro.Canary.Params
		}
		return canaryOf(ro)
	})
}

func newPromote(r *remote) *cobra.Command {
	var pairs []string
	cmd := &cobra.Command{
		Use:     "promote [VERSION]",
		Short:   "Put a version in charge, without VERSION the canary",
		Example: "  host policy promote\n  host policy promote 1a2b3c4d5e6f --plugin-config idle=30s",
	}
	cmd.Flags().StringArrayVar(&pairs, "plugin-config", nil, pluginConfigUsage)
	return r.stepCommand(cmd, &api.Step{Kind: api.StepPromote}, &pairs, canaryOf)
}

func newRollback(r *remote) *cobra.Command {
	st := &api.Step{Kind: api.StepRollback}
	cmd := &cobra.Command{
		Use:   "rollback [VERSION]",
		Short: "Take the canary back, else the version in charge",
		Long: "Take the canary back if there is one, else go back to what was in charge before\n" +
			"it. With VERSION it is done only if that is the one to be taken back.\n" + aboutRemote,
		Example: "  host policy rollback --reason 'phones reconnect too often'",
	}
	cmd.Flags().StringVar(&st.Reason, "reason", "", "`text` for the audit log")
	return r.stepCommand(cmd, st, nil, latestOf)
}

// params returns parameters in the order of their keys.
func params(m map[string]string) string {
	var pairs []string
	for _, k := range sorted(m) {
		pairs = append(pairs, k+"="+m[k])
	}
	return strings.Join(pairs, " ")
}
