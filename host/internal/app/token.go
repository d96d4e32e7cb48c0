package app

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"idlehost/host/internal/admin"
	"idlehost/host/internal/config"
)

// tokens reads the bearer tokens of the admin server from where the
// configuration says.
func tokens(c *config.Config) ([]string, error) {
	switch a := c.Admin; {
	case a.TokenEnv != "":
		token := strings.TrimSpace(os.Getenv(a.TokenEnv))
		if token == "" {
			return nil, c.Problem("admin.token_env", fmt.Sprintf("environment variable %s is not set", a.TokenEnv), "")
		}
		return checkTokens(c, "admin.token_env", []string{token})
	case a.TokenFile != "":
		list, err := tokenLines(a.TokenFile)
		if err != nil {
			return nil, c.Problem("admin.token_file", err.Error(), "")
		}
		if len(list) == 0 {
			return nil, c.Problem("admin.token_file", a.TokenFile+" holds no token", "write one token a line")
		}
		return checkTokens(c, "admin.token_file", list)
	}
	return nil, nil
}

// tokenLines reads one token a line; empty lines and those that begin with #
// are none.
func tokenLines(name string) ([]string, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var list []string
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if t := strings.TrimSpace(lines.Text()); t != "" && t[0] != '#' {
			list = append(list, t)
		}
	}
	return list, lines.Err()
}

func checkTokens(c *config.Config, path string, list []string) ([]string, error) {
	for i, t := range list {
		if len(t) < admin.MinToken {
			return nil, c.Problem(path, fmt.Sprintf("token %d is shorter than %d characters", i+1, admin.MinToken),
				"make one with: openssl rand -hex 32")
		}
	}
	return list, nil
}
