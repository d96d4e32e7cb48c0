package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"idlehost/host/internal/api"
	"idlehost/host/internal/config"
)

const aboutRecord = `A recording tells when a tenant's connections are opened, used and closed, and
what was decided about them on what grounds: what host replay needs to say what
another policy would have done. It holds no content, and clients by pseudonyms
that stand in no other. Operators begin and stop it, where the configuration has
a record.dir; the tenant may see and download it.
`

func newRecord(r *remote) *cobra.Command {
	cmd := newGroup("record", "Record a tenant's connections for replays", nil,
		newRecordStart(r), newRecordShow(r), newRecordStop(r), newRecordDownload(r))
	cmd.Long = aboutRecord + aboutRemote
	return cmd
}

func newRecordStart(r *remote) *cobra.Command {
	var want api.NewRecording
	var most string
	cmd := &cobra.Command{
		Use:     "start",
		Short:   "Begin a recording",
		Example: "  host tenant record start -t acme\n  host tenant record start -t acme --sample 0.1 --max-size 100MB",
		Args:    exactly(0, "no argument"),
	}
	cmd.Flags().Float64Var(&want.Sample, "sample", 0, "which `part` of the clients, over 0 and up to 1 (default: as configured)")
	cmd.Flags().StringVar(&most, "max-size", "", "`size` at which it ends, such as 100MB (default: as configured)")
	cmd.RunE = r.run(func(s *session, _ []string) error {
		if most != "" {
			var bytes config.Size
			if err := bytes.UnmarshalText([]byte(most)); err != nil {
				return usagef("such as 512MB or 2GB", "--max-size: %v", err)
			}
			want.MaxBytes = int64(bytes)
		}
		tenant, err := s.whose()
		if err != nil {
			return err
		}
		rec, err := s.StartRecording(s.ctx, tenant, want)
		if err != nil || s.asJSON {
			return s.answer(rec, err)
		}
		return s.done("recording tenant %s", tenant)
	})
	return cmd
}

func newRecordShow(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:     "show",
		Short:   "Show what is recorded",
		Example: "  host tenant record show -t acme",
		Args:    exactly(0, "no argument"),
		RunE: r.run(func(s *session, _ []string) error {
			tenant, err := s.whose()
			if err != nil {
				return err
			}
			rec, err := s.Recording(s.ctx, tenant)
			if err != nil || s.asJSON {
				return s.answer(rec, err)
			}
			return writeRecording(s.out, tenant, rec)
		}),
	}
}

// answer writes what the API has answered as it is.
func (s *session) answer(v any, err error) error {
	if err != nil {
		return err
	}
	return writeJSON(s.out, v)
}

// writeRecording shows a recording to people.
func writeRecording(w io.Writer, tenant string, r *api.Recording) error {
	facts := newTable(w)
	facts.row("tenant", tenant)
	switch r.State {
	case api.RecordingOn:
		facts.row("recording", "for "+ago(r.Begun)+", by "+cut(r.By, 60))
	case api.RecordingOver:
		facts.row("recording", "over, begun "+ago(r.Begun)+" ago by "+cut(r.By, 60))
	default:
		facts.row("recording", "none")
	}
	if r.Error != "" {
		facts.row("why", cut(r.Error, 100))
	}
	if r.Sample > 0 {
		facts.row("clients", percent(100*r.Sample))
	}
	if r.File != "" {
		facts.row("file", fmt.Sprintf("%s, %s of at most %s", cut(r.File, 120), size(uint64(max(r.Bytes, 0))), size(uint64(max(r.MaxBytes, 0)))))
		facts.row("records", fmt.Sprintf("%s, %s left out", count(r.Records), count(r.Dropped)))
	}
	return facts.end()
}

func newRecordStop(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:     "stop",
		Short:   "End a recording; its file stays on the host",
		Example: "  host tenant record stop -t acme",
		Args:    exactly(0, "no argument"),
		RunE: r.run(func(s *session, _ []string) error {
			tenant, err := s.whose()
			if err != nil {
				return err
			}
			if err := s.StopRecording(s.ctx, tenant); err != nil {
				return err
			}
			return s.done("stopped recording tenant %s", tenant)
		}),
	}
}

func newRecordDownload(r *remote) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:     "download",
		Short:   "Fetch the last recording, as far as it goes",
		Example: "  host tenant record download -t acme -o acme.trace && host replay --trace acme.trace --policy adaptive.wasm",
		Args:    exactly(0, "no argument"),
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "`file` to write, which must not exist; -: standard output (default TENANT.trace)")
	cmd.RunE = r.run(func(s *session, _ []string) error {
		tenant, err := s.whose()
		if err != nil {
			return err
		}
		if output == "-" {
			_, err := s.RecordingFile(s.ctx, tenant, s.out)
			return err
		}
		name := first(output, tenant+".trace")
		n, err := s.fetchRecording(tenant, name)
		if err != nil {
			return err
		}
		return s.done("%s: %s", name, size(uint64(n)))
	})
	return cmd
}

// fetchRecording writes a file that was not there. One that broke off is kept
// no more than one that never began.
func (s *session) fetchRecording(tenant, name string) (n int64, err error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return 0, usagef("name another file with -o", "%s exists already", name)
	} else if err != nil {
		return 0, &usageError{err: err}
	}
	p := s.progress("fetching the recording of "+plain(tenant), 0)
	n, err = s.RecordingFile(s.ctx, tenant, f)
	p.end()
	if err = errors.Join(err, f.Close()); err != nil {
		return 0, errors.Join(err, os.Remove(name))
	}
	return n, nil
}
