package cli

import (
	"os"
	"strings"

	"github.com/spf13/cobra"

	"idlehost/host/internal/api"
)

const aboutKey = `Keys are minisign's public keys. A host that has keys of a tenant checks what
signatures its uploads carry, and with "require on" refuses uploads without.
Only an operator can switch that off again.
`

func newKey(r *remote) *cobra.Command {
	cmd := newGroup("key", "Add, list and remove the keys that a tenant's uploads are signed with", nil,
		newKeyAdd(r), newKeyList(r), newKeyRemove(r), newKeyRequire(r))
	cmd.Long = aboutKey + aboutRemote
	return cmd
}

func newKeyAdd(r *remote) *cobra.Command {
	var comment string
	cmd := &cobra.Command{
		Use:     "add FILE",
		Short:   "Add a public key as minisign -G writes it",
		Example: "  host tenant key add -t acme minisign.pub --comment laptop",
		Args:    exactly(1, "one file"),
	}
	cmd.Flags().StringVar(&comment, "comment", "", "what people call it")
	cmd.RunE = r.run(func(s *session, args []string) error {
		text, err := readSmall(args[0])
		if err != nil {
			return err
		}
		return s.changeKeys(func(k *api.Keys) error {
			k.Keys = append(k.Keys, api.Key{Public: publicKey(text), Comment: comment})
			return nil
		})
	})
	return cmd
}

// publicKey returns the line of a minisign key file that is the key.
func publicKey(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}

// readSmall reads a key or a signature.
func readSmall(name string) (string, error) {
	const most = 8 << 10
	info, err := os.Stat(name)
	if err != nil {
		return "", &usageError{err: err}
	}
	if !info.Mode().IsRegular() || info.Size() > most {
		return "", usagef("", "%s is not a regular file of at most %d bytes", name, most)
	}
	text, err := os.ReadFile(name)
	return string(text), err
}

// changeKeys changes a tenant's keys, unless somebody else does meanwhile.
func (s *session) changeKeys(change func(*api.Keys) error) error {
	tenant, err := s.whose()
	if err != nil {
		return err
	}
	k, err := s.Keys(s.ctx, tenant)
	if err != nil {
		return err
	}
	tag := k.ETag
	if err := change(k); err != nil {
		return err
	}
	if k, err = s.PutKeys(s.ctx, tenant, *k, api.Precondition{Match: tag}); err != nil {
		return err
	}
	return s.showKeys(k)
}

func (s *session) showKeys(k *api.Keys) error {
	if s.asJSON {
		return writeJSON(s.out, k)
	}
	t := newTable(s.out, "ID", "ADDED", "COMMENT")
	for _, key := range k.Keys {
		t.row(cut(key.ID, 16), ago(key.Added)+" ago", cut(key.Comment, 64))
	}
	if err := t.end(); err != nil {
		return err
	}
	required := "signatures are not required"
	if k.RequireSignature {
		required = "signatures are required"
	}
	return s.done("%s", required)
}

func newKeyList(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List a tenant's keys",
		Args:  exactly(0, "no argument"),
		RunE: r.run(func(s *session, _ []string) error {
			tenant, err := s.whose()
			if err != nil {
				return err
			}
			k, err := s.Keys(s.ctx, tenant)
			if err != nil {
				return err
			}
			return s.showKeys(k)
		}),
	}
}

func newKeyRemove(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:   "rm ID",
		Short: "Remove a key",
		Args:  exactly(1, "one ID"),
		RunE: r.run(func(s *session, args []string) error {
			return s.changeKeys(func(k *api.Keys) error {
				for i, key := range k.Keys {
					if strings.EqualFold(key.ID, args[0]) {
						k.Keys = append(k.Keys[:i], k.Keys[i+1:]...)
						return nil
					}
				}
				return hintf("host tenant key list", "there is no key %s", args[0])
			})
		}),
	}
}

func newKeyRequire(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:       "require on|off",
		Short:     "Refuse uploads that no key has signed, or take them",
		ValidArgs: []string{"on", "off"},
		Args:      exactly(1, "on or off"),
		RunE: r.run(func(s *session, args []string) error {
			if args[0] != "on" && args[0] != "off" {
				return usagef("say on or off", "%q is neither on nor off", args[0])
			}
			return s.changeKeys(func(k *api.Keys) error {
				if k.RequireSignature = args[0] == "on"; k.RequireSignature && len(k.Keys) == 0 {
					return hintf("host tenant key add FILE", "there is no key yet: nothing could be uploaded any more")
				}
				return nil
			})
		}),
	}
}
