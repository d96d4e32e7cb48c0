package v1

import (
	"net/http"
	"strconv"

	"idlehost/host/internal/api"
)

// recordings is who records; KindNotFound where nobody does.
func (c *call) recordings() (api.Recordings, error) {
	if c.cfg.Recordings == nil {
		return nil, api.NewProblem(api.KindNotFound, "this host records nothing")
	}
	return c.cfg.Recordings, nil
}

func (c *call) recording() error {
	rs, err := c.recordings()
	if err != nil {
		return err
	}
	r, err := rs.Recording(c.ctx(), c.of())
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, r)
}

func (c *call) startRecording() error {
	var asked api.NewRecording
	if err := c.readOptional(&asked); err != nil {
		return err
	}
	rs, err := c.recordings()
	if err != nil {
		return err
	}
	r, err := rs.StartRecording(c.ctx(), c.actor, c.of(), asked)
	if err != nil {
		return err
	}
	return c.created(true, at("tenants", c.of(), "recording"), "", r)
}

func (c *call) stopRecording() error {
	rs, err := c.recordings()
	if err != nil {
		return err
	}
	if err := rs.StopRecording(c.ctx(), c.actor, c.of()); err != nil {
		return err
	}
	return c.empty()
}

// recordingFile sends what has been written when it begins.
func (c *call) recordingFile() error {
	rs, err := c.recordings()
	if err != nil {
		return err
	}
	key := caller(c.actor)
	if !c.downloads.enter(key) {
		p := api.NewProblem(api.KindRate, "%d recordings are being downloaded already", c.cfg.Downloads)
		return c.later(p, recheck)
	}
	defer c.downloads.leave(key)
	f, err := rs.RecordingFile(c.ctx(), c.of())
	if err != nil {
		return err
	}
	defer f.Close()
	h := c.w.Header()
	h.Set("Content-Type", api.RecordingType)
	h.Set("Content-Length", strconv.FormatInt(f.Size, 10))
	h.Set("Content-Disposition", `attachment; filename="`+f.Name+`"`)
	c.begin(piece)
	c.w.WriteHeader(http.StatusOK)
	if c.r.Method == http.MethodHead {
		return nil
	}
	c.pour(f.ReadCloser, f.Size) // of a file, which the kernel sends
	return nil
}
