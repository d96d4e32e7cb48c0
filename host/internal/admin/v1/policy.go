package v1

import (
	"net/http"
	"time"

	"idlehost/host/internal/api"
)

func (c *call) digest() string { return c.r.PathValue("digest") }

func (c *call) policies() error {
	list, err := c.service.Policies(c.ctx(), c.of())
	if err != nil {
		return err
	}
	c.listed(len(list))
	return c.reply(http.StatusOK, whole(api.Page[api.Policy]{Items: list}))
}

func (c *call) policy() error {
	p, err := c.service.Policy(c.ctx(), c.of(), c.digest())
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, p)
}

// upload asks whether there is any use in it before it reads the policy.
func (c *call) upload() error {
	if err := c.carries(api.ModuleType); err != nil {
		return err
	}
	if c.r.ContentLength > int64(c.cfg.UploadBytes) {
		return tooLarge(c.cfg.UploadBytes)
	}
	// The tenant's other uploads may be waited for: that is not the sender's
	// fault, and body has deadlines of its own.
	_ = http.NewResponseController(c.w).SetReadDeadline(time.Time{})
	release, err := c.service.MayUpload(c.ctx(), c.of())
	if err != nil {
		return err
	}
	defer release()
	wasm, err := c.body(api.ModuleType, c.cfg.UploadBytes)
	if err != nil {
		return err
	}
	p, made, err := c.service.Upload(c.ctx(), c.actor, c.of(), api.Upload{
		Name: c.query.Get("name"), Wasm: wasm, Signature: c.r.Header.Get(api.SignatureHeader),
	})
	if err != nil {
		return err
	}
	return c.created(made, at("tenants", c.of(), "policies", p.Digest), "", p)
}

func (c *call) deletePolicy() error {
	if err := c.service.DeletePolicy(c.ctx(), c.actor, c.of(), c.digest()); err != nil {
		return err
	}
	return c.empty()
}

// module sends the bytes. What a whole digest names never changes; a prefix
// may name another one later.
func (c *call) module() error {
	if err := c.mayDownload(); err != nil {
		return err
	}
	wasm, full, err := c.service.Module(c.ctx(), c.of(), c.digest())
	if err != nil {
		return err
	}
	c.downloaded(len(wasm))
	tag, h := `"`+full+`"`, c.w.Header()
	h.Set("ETag", tag)
	h.Set("Content-Disposition", `attachment; filename="`+full+`.wasm"`)
	h.Set("Cache-Control", "private, no-cache")
	if c.digest() == full {
		h.Set("Cache-Control", "private, max-age=31536000, immutable")
	}
	if done, err := c.unchanged(tag); done || err != nil {
		return err
	}
	c.write(http.StatusOK, api.ModuleType, wasm)
	return nil
}
