package config

import (
	"io"

	"github.com/BurntSushi/toml"
)

// Print writes the configuration as TOML that Parse reads back. It holds no
// secrets: tokens stand in files and in the environment.
func (c *Config) Print(w io.Writer) error {
	e := toml.NewEncoder(w)
	e.Indent = ""
	return e.Encode(c)
}
