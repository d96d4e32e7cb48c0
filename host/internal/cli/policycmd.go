package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"idlehost/host/internal/api"
)

const aboutPolicy = `Upload a tenant's policies, try them beside the one in charge, put them in
charge of a part of the clients, of all, and take them back. No connection is
closed for it, and the next question of every connection is put to the version
that is then in charge.

A VERSION is a digest, its first 8 digits or more, or the name of an upload.
`

func newPolicy() *cobra.Command {
	r := &remote{}
	cmd := newGroup("policy", "Upload policies, try them, roll them out and back", r,
		newPush(r), newPolicyList(r), newPolicyShow(r), newShadow(r), newCanary(r), newPromote(r), newRollback(r),
		newPolicyRemove(r), newDownload(r), newLogs(r))
	cmd.Long = aboutPolicy + aboutRemote
	cmd.Example = "  host policy push adaptive.wasm --shadow\n" +
		"  host policy show\n" +
		"  host policy canary 1a2b3c4d5e6f --percent 10\n" +
		"  host policy promote\n" +
		"  host policy rollback --reason 'phones reconnect too often'"
	return cmd
}

// completeVersions completes the only argument of a command with a version.
func (r *remote) completeVersions() completion { return r.completion((*session).versions) }

func newPolicyList(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the policies that a tenant has uploaded",
		Example: "  host policy list -t acme",
		Args:    exactly(0, "no argument"),
		RunE: r.run(func(s *session, _ []string) error {
			tenant, err := s.whose()
			if err != nil {
				return err
			}
			list, err := s.Policies(s.ctx, tenant)
			if err != nil || s.asJSON {
				return s.page(api.Page[api.Policy]{Items: list}, err)
			}
			t := newTable(s.out, "VERSION", "NAME", "STATE", "SIZE", "UPLOADED", "BY")
			for _, p := range list {
				t.row(short(p.Digest), cut(p.Name, 28), p.State, size(p.Size), ago(p.Uploaded)+" ago", cut(p.By, 24))
			}
			return t.end()
		}),
	}
}

// fullOrPrefix is what the API takes for a digest.
var fullOrPrefix = regexp.MustCompile(`^[0-9a-f]{8,64}$`)

// version returns the digest that an argument stands for, as the API takes it: a
// digest, or a name, which may lack its ending .wasm as it may on the command line.
func (s *session) version(tenant, text string) (string, error) {
	if d := strings.ToLower(text); fullOrPrefix.MatchString(d) {
		return d, nil
	}
	list, err := s.Policies(s.ctx, tenant)
	if err != nil {
		return "", err
	}
	found := named(list, text)
	if len(found) == 0 {
		found = named(list, text+".wasm")
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return "", hintf("see host policy list", "tenant %q has no version %q", tenant, text)
	}
	for i := range found {
		found[i] = short(found[i])
	}
	return "", hintf("say which by its digest", "%d versions are called %q: %s", len(found), text, strings.Join(found, ", "))
}

// named returns the digests of the policies that have this name.
func named(list []api.Policy, name string) (digests []string) {
	for _, p := range list {
		if p.Name == name {
			digests = append(digests, p.Digest)
		}
	}
	return digests
}

func newPolicyRemove(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:               "rm VERSION",
		Short:             "Remove a version that is not in use",
		Example:           "  host policy rm 1a2b3c4d5e6f",
		Args:              exactly(1, "one version"),
		ValidArgsFunction: r.completeVersions(),
		RunE: r.run(func(s *session, args []string) error {
			tenant, digest, err := s.about(args)
			if err != nil {
				return err
			}
			if err := s.DeletePolicy(s.ctx, tenant, digest); err != nil {
				return err
			}
			return s.done("removed %s", short(digest))
		}),
	}
}

// about returns the tenant, and the version that the first argument names;
// empty: there is none.
func (s *session) about(args []string) (tenant, digest string, err error) {
	if tenant, err = s.whose(); err != nil || len(args) == 0 {
		return tenant, "", err
	}
	digest, err = s.version(tenant, args[0])
	return tenant, digest, err
}

func newDownload(r *remote) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:               "download VERSION",
		Short:             "Fetch a version's module",
		Example:           "  host policy download 1a2b3c4d5e6f -o adaptive.wasm\n  host policy download adaptive.wasm -o - | wasm-objdump -x -",
		Args:              exactly(1, "one version"),
		ValidArgsFunction: r.completeVersions(),
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "`file` to write, which must not exist; -: standard output (default DIGEST.wasm)")
	cmd.RunE = r.run(func(s *session, args []string) error {
		tenant, digest, err := s.about(args)
		if err != nil {
			return err
		}
		p := s.progress("fetching "+short(digest), 0)
		wasm, full, err := s.Module(s.ctx, tenant, digest)
		p.end()
		if err != nil {
			return err
		}
		if output == "-" {
			_, err := s.out.Write(wasm)
			return err
		}
		name := first(output, short(full)+".wasm")
		if err := createFile(name, wasm); err != nil {
			return err
		}
		return s.done("%s: %s, %s", name, size(len(wasm)), full)
	})
	return cmd
}

// createFile writes a file that was not there, or nothing.
func createFile(name string, data []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if errors.Is(err, fs.ErrExist) {
		return usagef("name another file with -o", "%s exists already", name)
	} else if err != nil {
		return &usageError{err: err}
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(fmt.Errorf("download: %w", err), os.Remove(name))
	}
	return nil
}
