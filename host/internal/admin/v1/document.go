package v1

import (
	"crypto/sha256"
	_ "embed" // the document
	"encoding/hex"
	"net/http"
)

// document is the OpenAPI description of what this package serves. It is
// written by hand; tests hold it against the routes, the types and the answers.
//
//go:embed openapi.json
var openAPI []byte

func (c *call) document() error {
	sum := sha256.Sum256(openAPI)
	tag := `"` + hex.EncodeToString(sum[:8]) + `"`
	c.w.Header().Set("ETag", tag)
	c.w.Header().Set("Cache-Control", "no-cache")
	if done, err := c.unchanged(tag); done || err != nil {
		return err
	}
	c.write(http.StatusOK, "application/json", openAPI)
	return nil
}
