package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"idlehost/host/internal/client"
)

// The environment of the client commands. A token is no flag: other users of
// the machine see those.
const (
	envServer = "HOST_SERVER"
	envTenant = "HOST_TENANT"
	envToken  = "HOST_TOKEN"
)

// fallbackTenant is whom an operator means who names nobody: the tenant that
// the host's own policy governs.
const fallbackTenant = "default"

const aboutRemote = `
The host is asked over its admin API: at --server, else $HOST_SERVER, else
` + client.DefaultServer + `. The token is that of --token-file, else $HOST_TOKEN.
The tenant is that of --tenant, else $HOST_TENANT, else the token's own, else
"` + fallbackTenant + `".`

// remote is what the client commands share: whom they ask, and how they answer.
type remote struct {
	server    string
	tenant    string
	tokenFile string
	ca        string
	cert, key string
	insecure  bool
	asJSON    bool
	quiet     bool
}

func (r *remote) flags(set *pflag.FlagSet) {
	set.SortFlags = false
	set.StringVar(&r.server, "server", "", "`URL` of the host's admin listener (default $"+envServer+", else "+client.DefaultServer+")")
	set.StringVarP(&r.tenant, "tenant", "t", "", "`name` of the tenant (default $"+envTenant+", else the token's own)")
	set.StringVar(&r.tokenFile, "token-file", "", "`file` that holds the token (default: $"+envToken+")")
	set.StringVar(&r.ca, "ca", "", "PEM `file` with the certificates to trust instead of the system's")
	set.StringVar(&r.cert, "cert", "", "PEM `file` with a client certificate, with --key")
	set.StringVar(&r.key, "key", "", "PEM `file` with the private key of the client certificate")
	set.BoolVar(&r.insecure, "insecure", false, "let the token go over http:// to other machines")
	set.BoolVar(&r.asJSON, "json", false, "print the API's JSON")
	set.BoolVarP(&r.quiet, "quiet", "q", false, "no progress, no remarks")
}

// newGroup returns a command that only has others below it.
func newGroup(use, short string, r *remote, below ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   use,
		Short: short,
		Long:  short + ".\n" + aboutRemote,
		Args:  noSuchCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	if r != nil {
		attach(cmd, r)
	}
	cmd.AddCommand(below...)
	return cmd
}

// attach gives a command, and those below it, the flags of r.
func attach(cmd *cobra.Command, r *remote) {
	r.flags(cmd.PersistentFlags())
	complete(cmd, "tenant", r.completion((*session).tenantNames))
}

// run makes what a command does out of what it does with a session. A signal
// ends it in its own way: nothing is left on the terminal.
func (r *remote) run(f func(s *session, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		cmd.SetContext(ctx)
		s, err := r.session(cmd)
		if err != nil {
			return err
		}
		defer s.Close()
		err = f(s, args)
		if err != nil && ctx.Err() != nil {
			return errors.New("interrupted")
		}
		return explain(err)
	}
}

// session is one run of a client command.
type session struct {
	*client.Client
	*remote
	ctx context.Context
	cmd *cobra.Command
	out io.Writer
	err io.Writer
}

func (r *remote) session(cmd *cobra.Command) (*session, error) {
	token, err := r.token()
	if err != nil {
		return nil, &usageError{err: err}
	}
	c, err := client.New(client.Config{
		Server: first(r.server, os.Getenv(envServer)), Token: token,
		CA: r.ca, Cert: r.cert, Key: r.key, Insecure: r.insecure,
	})
	if err != nil {
		return nil, &usageError{err: err, hint: hintOf(err)}
	}
	return &session{Client: c, remote: r, ctx: cmd.Context(), cmd: cmd, out: cmd.OutOrStdout(), err: cmd.ErrOrStderr()}, nil
}

// maxToken bounds what is read from a token file, in bytes.
const maxToken = 4 << 10

func (r *remote) token() (string, error) {
	if r.tokenFile == "" {
		return strings.TrimSpace(os.Getenv(envToken)), nil
	}
	f, err := os.Open(r.tokenFile)
	if err != nil {
		return "", fmt.Errorf("token: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxToken+1))
	token := strings.TrimSpace(string(text))
	switch {
	case err != nil:
		return "", fmt.Errorf("token: %w", err)
	case token == "" || len(text) > maxToken:
		return "", fmt.Errorf("token: %s does not hold one token", r.tokenFile)
	}
	return token, nil
}

// named returns the tenant that was named; empty: none was.
func (r *remote) named() string { return first(r.tenant, os.Getenv(envTenant)) }

// whose returns the tenant that a command is about.
func (s *session) whose() (string, error) {
	if name := s.named(); name != "" {
		return name, nil
	}
	who, err := s.Whoami(s.ctx)
	if err != nil {
		return "", err
	}
	return first(who.Tenant, fallbackTenant), nil
}

// remark tells something that is no part of the answer.
func (s *session) remark(format string, args ...any) {
	if !s.quiet && !s.asJSON {
		fmt.Fprintf(s.err, "host: %s\n", plain(fmt.Sprintf(format, args...)))
	}
}

// first returns the first text that is not empty.
func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}
