package cli

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"idlehost/host/internal/api"
	"idlehost/host/internal/app"
	"idlehost/plugins"
)

const aboutPush = `Upload a policy. The host checks it as "host check" does, refuses what it would
not run, and asks nothing of it until a step of a rollout: one of --shadow,
--canary and --promote takes that at once. FILE is a file, else the name of a
bundled policy. With --json, the rollout is a second object.
`

// push is what the command was given.
type push struct {
	name      string
	signature string
	shadow    bool
	promote   bool
	canary    float64
	pairs     []string
}

func newPush(r *remote) *cobra.Command {
	var p push
	cmd := &cobra.Command{
		Use:   "push FILE",
		Short: "Upload a policy",
		Long:  aboutPush + aboutRemote,
		Example: "  host policy push adaptive.wasm --shadow\n" +
			"  host policy push fixed --plugin-config idle=30s --canary 10\n" +
			"  host policy push mine.wasm --signature mine.wasm.minisig --promote",
		Args: exactly(1, "one policy"),
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&p.name, "name", "", "what people call it (default: the file's)")
	f.BoolVar(&p.shadow, "shadow", false, "ask it beside the version in charge")
	f.Float64Var(&p.canary, "canary", 0, "put it in charge of that `percentage` of the clients")
	f.BoolVar(&p.promote, "promote", false, "put it in charge")
	f.StringArrayVar(&p.pairs, "plugin-config", nil, pluginConfigUsage+"; with one of the above")
	f.StringVar(&p.signature, "signature", "", "`file` with the signature that minisign has made")
	cmd.RunE = r.run(func(s *session, args []string) error { return s.push(p, args[0]) })
	return cmd
}

// upload reads what is to be sent.
func (p *push) upload(path string) (api.Upload, error) {
	u := api.Upload{Name: first(p.name, filepath.Base(path))}
	var err error
	u.Wasm, err = app.ReadPolicy(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return u, usagef("bundled: "+strings.Join(plugins.Names(), ", "), "%q is neither a file nor a bundled policy", path)
	case err != nil:
		return u, &usageError{err: fmt.Errorf("policy: %w", err)}
	case p.signature == "":
		return u, nil
	}
	text, err := readSmall(p.signature)
	u.Signature = base64.StdEncoding.EncodeToString([]byte(text))
	return u, err
}

// step returns the step to take with what was uploaded; nil: none.
func (p *push) step(cmd *cobra.Command) (*api.Step, error) {
	params, err := pluginParams(p.pairs)
	if err != nil {
		return nil, err
	}
	st := &api.Step{Params: params}
	canary := cmd.Flags().Changed("canary")
	switch {
	case p.shadow && canary, p.shadow && p.promote, canary && p.promote:
		return nil, usagef("take one, the others later", "--shadow, --canary and --promote are steps of their own")
	case p.shadow:
		st.Kind = api.StepShadow
	case canary:
		if !(p.canary > 0 && p.canary <= 100) {
			return nil, usagef("such as --canary 10", "--canary: %v is not above 0 and at most 100", p.canary)
		}
		st.Kind, st.Percent = api.StepCanary, p.canary
	case p.promote:
		st.Kind = api.StepPromote
	case len(p.pairs) > 0:
		return nil, usagef("add --shadow, --canary or --promote", "--plugin-config: nobody asks the policy yet")
	default:
		return nil, nil
	}
	return st, nil
}

func (s *session) push(p push, path string) error {
	step, err := p.step(s.cmd)
	if err != nil {
		return err
	}
	u, err := p.upload(path)
	if err != nil {
		return err
	}
	tenant, err := s.whose()
	if err != nil {
		return err
	}
	bar := s.progress("the host checks "+cut(u.Name, 32), len(u.Wasm))
	known, created, err := s.Upload(s.ctx, tenant, u, bar.sender())
	bar.end()
	if err != nil {
		return err
	}
	if err := s.pushed(tenant, known, created, step != nil); err != nil || step == nil {
		return err
	}
	step.Digest = known.Digest
	return s.takeStep(tenant, step, api.Precondition{})
}

// pushed tells of an upload.
func (s *session) pushed(tenant string, p *api.Policy, created, more bool) error {
	if s.asJSON {
		return writeJSON(s.out, p)
	}
	done := "uploaded"
	if !created {
		done = "had already"
	}
	line := fmt.Sprintf("%s %s %s, %s", done, short(p.Digest), cut(p.Name, 32), size(p.Size))
	if p.SignedBy != "" {
		line += ", signed by " + p.SignedBy
	}
	if err := s.done("%s", line); err != nil {
		return err
	}
	if !more && p.State == api.StateUploaded {
		s.remark("nobody asks it yet: host policy shadow|canary|promote -t %s %s", tenant, short(p.Digest))
	}
	return nil
}
