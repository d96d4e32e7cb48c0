package control

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
)

// readDestination reads an address, one with a port, or a network.
func readDestination(text string) (string, error) {
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		return a.Unmap().String(), nil
	}
	if a, err := netip.ParseAddrPort(text); err == nil && a.Addr().Zone() == "" && a.Port() != 0 {
		return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()).String(), nil
	}
	if p, err := netip.ParsePrefix(text); err == nil && !p.Addr().Is4In6() {
		return p.Masked().String(), nil
	}
	return "", fmt.Errorf("%q is no address such as 192.0.2.1, 192.0.2.1:443 or 192.0.2.0/24", clean(text, 80))
}

// maxURL bounds an upstream's text.
const maxURL = 1024

// readUpstream reads the URL of a target as far as it can be judged without
// making one: the Runtime knows the rest.
func readUpstream(text string) (string, error) {
	if len(text) > maxURL {
		return "", fmt.Errorf("%d bytes are too long for a URL, at most %d", len(text), maxURL)
	}
	u, err := url.Parse(text)
	if err != nil {
		var syntax *url.Error
		if errors.As(err, &syntax) {
			err = syntax.Err // without the text, which is anybody's
		}
		return "", fmt.Errorf("%q is no URL: %s", clean(text, 80), clean(err.Error(), 80))
	}
	if problem := checkUpstream(u); problem != "" {
		return "", fmt.Errorf("%q: %s", clean(text, 80), problem)
	}
	return text, nil
}

func checkUpstream(u *url.URL) string {
	switch u.Scheme {
	case "http", "https", "h2c", "tcp":
	case "":
		return "the scheme is missing: http, https, h2c or tcp"
	default:
		return "the scheme is none of http, https, h2c and tcp"
	}
	switch {
	case u.Hostname() == "":
		return "the host is missing"
	case u.User != nil:
		return "user and password are not supported"
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "query and fragment are not supported"
	case u.Scheme == "tcp" && u.Port() == "":
		return "a tcp target needs a port"
	case u.Scheme == "tcp" && u.Path != "" && u.Path != "/":
		return "a tcp target has no path"
	}
	if n, err := strconv.ParseUint(u.Port(), 10, 16); u.Port() != "" && (err != nil || n == 0) {
		return "the port is not from 1 to 65535"
	}
	return ""
}
