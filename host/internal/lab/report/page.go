// Package report makes what people look at of a study: a web page that needs
// nothing but itself, and a table for a terminal. It computes nothing that a
// study does not hold, but prices: what the same held time and premature closes
// cost when a reconnect is worth something else.
package report

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"strings"

	"idlehost/host/internal/lab/study"
)

// assets are what the page is made of. uplot/ is another's, see its README.
//
//go:embed assets
var assets embed.FS

// scripts are the parts of the page's own program, in the order in which they
// are put together. They share one scope.
var scripts = [...]string{
	"words", "data", "state", "look", "dom", "chart", "answer", "ranking", "pareto", "prices", "held", "open", "gaps", "kinds",
	"differences", "bounds", "particulars", "main",
}

// HTML writes the page of a study. It loads nothing and sends nothing: what is
// not in it by hash may not run, whatever a client, a policy or a tenant is
// called. It fails where a study cannot be JSON (a number that is none), and as
// w does.
func HTML(w io.Writer, s *study.Study) error {
	s = whole(s)
	data, err := json.Marshal(s) // with <, > and & escaped
	if err != nil {
		return fmt.Errorf("study %q: %w", s.Trace.Name, err)
	}
	page, err := asset("page.html")
	if err != nil {
		return err
	}
	program, style, library, err := parts()
	if err != nil {
		return err
	}
	var table strings.Builder
	if err := Table(&table, s, 100); err != nil {
		return err
	}
	_, err = strings.NewReplacer(
		"{{rules}}", rules(style, library, program),
		"{{title}}", html.EscapeString(printable(s.Trace.Name)),
		"{{headline}}", html.EscapeString(headline(s)),
		"{{table}}", html.EscapeString(table.String()),
		"{{command}}", html.EscapeString(command(s)),
		"{{style}}", style,
		"{{library}}", library,
		"{{program}}", program,
		"{{study}}", string(data),
	).WriteString(w, page)
	return err
}

// parts returns what the page runs and how it looks.
func parts() (program, style, library string, err error) {
	var b strings.Builder
	b.WriteString("'use strict';\n(() => {\n")
	for _, name := range scripts {
		text, err := asset(name + ".js")
		if err != nil {
			return "", "", "", err
		}
		b.WriteString(text)
	}
	b.WriteString("})();\n")
	if library, err = asset("uplot/uPlot.iife.min.js"); err != nil {
		return "", "", "", err
	}
	for _, name := range [...]string{"uplot/uPlot.min.css", "page.css", "parts.css"} {
		text, err := asset(name)
		if err != nil {
			return "", "", "", err
		}
		style += text
	}
	return b.String(), style, library, nil
}

func asset(name string) (string, error) {
	b, err := assets.ReadFile("assets/" + name)
	if err != nil {
		return "", fmt.Errorf("report: %w", err)
	}
	return string(b), nil
}

// rules is the page's Content-Security-Policy: nothing but these texts.
func rules(style string, programs ...string) string {
	hash := func(text string) string {
		sum := sha256.Sum256([]byte(text))
		return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	var list []string
	for _, p := range programs {
		list = append(list, hash(p))
	}
	return "default-src 'none'; script-src " + strings.Join(list, " ") + "; style-src " + hash(style) +
		"; base-uri 'none'; form-action 'none'"
}
