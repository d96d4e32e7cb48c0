package cli

import (
	"maps"
	"strings"

	"github.com/spf13/pflag"

	"idlehost/host/internal/config"
)

// flags are those of the command that runs the host.
type flags struct {
	groups []group

	config       string
	listen       []string
	upstream     []string
	tlsCert      []string
	tlsKey       []string
	plugin       string
	pluginConfig []string
	optional     bool
	store        string
	admin        string
	pprof        bool
	logFormat    string
	logLevel     string
	record       string
}

func newFlags() *flags {
	f := &flags{}
	d := config.Default()
	traffic := f.group("Traffic")
	traffic.StringArrayVar(&f.listen, "listen", nil,
		"`address` to listen on, host:port; repeatable; tcp://host:port relays bytes (default "+config.DefaultAddress+")")
	traffic.StringArrayVar(&f.upstream, "upstream", nil,
		"`URL` of a server behind the proxy (http, https, h2c, tcp); repeatable; none: a built-in demo answers")
	traffic.StringArrayVar(&f.tlsCert, "tls-cert", nil,
		"PEM `file` with a certificate chain; the listeners then speak HTTPS; repeatable, with --tls-key")
	traffic.StringArrayVar(&f.tlsKey, "tls-key", nil, "PEM `file` with the private key of the certificate")
	rule := f.group("Policy")
	rule.StringVar(&f.plugin, "plugin", "",
		"policy in charge of idle connections: a `file`, else the name of a bundled one (none: fixed timeouts)")
	rule.StringArrayVar(&f.pluginConfig, "plugin-config", nil, pluginConfigUsage)
	rule.BoolVar(&f.optional, "plugin-optional", false,
		"start with the native policy if the --plugin does not load (default: exit with an error)")
	operation := f.group("Operation")
	operation.StringVar(&f.config, "config", "", "TOML `file` with everything, and more; flags override it")
	operation.StringVar(&f.store, "store", "", "`directory` of tenants, their policies and rollouts; made where there is none")
	operation.StringVar(&f.record, "record", "", "`file` to write the lives of all connections to, for host replay; clients go by pseudonyms, up to 1 GB")
	operation.StringVar(&f.admin, "admin", "", "`address` of metrics, health and the API of tenants, or \"off\" (default "+d.Admin.Address+")")
	operation.BoolVar(&f.pprof, "pprof", false, "serve /debug/pprof on the admin address")
	operation.StringVar(&f.logFormat, "log-format", "", "`text` or json (default "+d.Log.Format+")")
	operation.StringVar(&f.logLevel, "log-level", "", "debug, info, warn or error: the least `level` that is logged (default "+d.Log.Level+")")
	return f
}

func (f *flags) group(title string) *pflag.FlagSet {
	g := group{title: title, set: pflag.NewFlagSet(title, pflag.ContinueOnError)}
	g.set.SortFlags = false
	f.groups = append(f.groups, g)
	return g.set
}

// apply lays the flags over c.
func (f *flags) apply(c *config.Config) error {
	f.listeners(c)
	if err := f.certificates(c); err != nil {
		return err
	}
	if len(f.upstream) > 0 {
		c.Upstream.Targets = f.upstream
		c.Set("upstream.targets", "--upstream")
		for i := range f.upstream {
			c.Set(config.Index("upstream.targets", i), "--upstream")
		}
	}
	if err := f.policy(c); err != nil {
		return err
	}
	for _, o := range []struct {
		value, path, name string
		dst               *string
	}{
		{f.store, "store.dir", "--store", &c.Store.Dir},
		{f.record, "record.file", "--record", &c.Record.File},
		{f.admin, "admin.address", "--admin", &c.Admin.Address},
		{f.logFormat, "log.format", "--log-format", &c.Log.Format},
		{f.logLevel, "log.level", "--log-level", &c.Log.Level},
	} {
		if o.value != "" {
			*o.dst = o.value
			c.Set(o.path, o.name)
		}
	}
	c.Admin.Pprof = c.Admin.Pprof || f.pprof
	return nil
}

// listeners replaces the file's listeners, if any flag names one.
func (f *flags) listeners(c *config.Config) {
	if len(f.listen) == 0 {
		return
	}
	c.Listeners = nil
	for i, address := range f.listen {
		l := config.Listener{Protocol: "http", Address: strings.TrimPrefix(address, "http://")}
		if rest, ok := strings.CutPrefix(address, "tcp://"); ok {
			l.Protocol, l.Address = "tcp", rest
		}
		c.Listeners = append(c.Listeners, l)
		c.Set(config.Index("listener", i), "--listen")
		c.Set(config.Index("listener", i)+".address", "--listen")
		c.Set(config.Index("listener", i)+".protocol", "--listen")
	}
}

// certificates replaces the certificates of every HTTP listener.
func (f *flags) certificates(c *config.Config) error {
	if len(f.tlsCert) != len(f.tlsKey) {
		return usagef("give each --tls-cert its --tls-key, in the same order",
			"%d certificates and %d keys", len(f.tlsCert), len(f.tlsKey))
	}
	if len(f.tlsCert) == 0 {
		return nil
	}
	if len(c.Listeners) == 0 {
		c.Listeners = []config.Listener{{Address: config.DefaultAddress, Protocol: "http"}}
	}
	for i := range c.Listeners {
		l := &c.Listeners[i]
		if l.Protocol == "tcp" {
			continue
		}
		l.TLS = nil
		for j := range f.tlsCert {
			l.TLS = append(l.TLS, config.Certificate{Cert: f.tlsCert[j], Key: f.tlsKey[j]})
			path := config.Index(config.Index("listener", i)+".tls", j)
			c.Set(path, "--tls-cert")
			c.Set(path+".cert", "--tls-cert")
			c.Set(path+".key", "--tls-key")
		}
	}
	return nil
}

// policy replaces the file's plugin, parameters included, if --plugin names
// one, and adds parameters.
func (f *flags) policy(c *config.Config) error {
	if f.plugin != "" {
		c.Plugin = config.Plugin{Path: f.plugin}
		c.Set("plugin.path", "--plugin")
	}
	params, err := pluginParams(f.pluginConfig)
	if err != nil {
		return err
	}
	if c.Plugin.Config == nil {
		c.Plugin.Config = params
	}
	maps.Copy(c.Plugin.Config, params)
	if len(f.pluginConfig) > 0 && c.Plugin.Path == "" {
		return usagef("name one with --plugin", "--plugin-config: no policy is in charge")
	}
	if f.optional && c.Plugin.Path == "" {
		return usagef("name one with --plugin", "--plugin-optional: no policy is in charge")
	}
	if f.optional {
		c.Plugin.OnLoadFailure = "native"
		c.Set("plugin.on_load_failure", "--plugin-optional")
	}
	return nil
}

// pluginConfigUsage describes --plugin-config, of whatever command.
const pluginConfigUsage = "parameter `key=value` for the policy; repeatable"

// pluginParams reads what --plugin-config was given; nil for nothing.
func pluginParams(pairs []string) (map[string]string, error) {
	if len(pairs) == 0 {
		return nil, nil
	}
	params := make(map[string]string, len(pairs))
	for _, kv := range pairs {
		key, value, ok := strings.Cut(kv, "=")
		if !ok {
			return nil, usagef("such as --plugin-config idle=30s", "--plugin-config: %q is not key=value", kv)
		}
		if text := config.CheckParam(key, value); text != "" {
			return nil, usagef("", "--plugin-config: %s", text)
		}
		params[key] = value
	}
	return params, nil
}
