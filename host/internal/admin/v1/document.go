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

// documentTag names its version.
func documentTag() string {
	sum := sha256.Sum256(openAPI)
	return `"` + hex.EncodeToString(sum[:8]) + `"`
}

func (c *call) document() error {
	c.w.Header().Set("ETag", c.edition)
	c.w.Header().Set("Cache-Control", "no-cache")
	if done, err := c.unchanged(c.edition); done || err != nil {
		return err
	}
	c.write(http.StatusOK, "application/json", openAPI)
	return nil
}
