// Package config is the typed configuration of the host: its TOML form, its
// defaults, and the checks that name file, line and key. It reads no file,
// opens nothing and logs nothing.
package config

// Config is everything an operator decides. Default returns the starting
// point, Parse lays a file over it, flags come last (Set), then Complete and
// Check.
type Config struct {
	Listeners []Listener `toml:"listener"`
	Upstream  Upstream   `toml:"upstream"`
	Plugin    Plugin     `toml:"plugin"`
	Worker    Worker     `toml:"worker"`
	Tenants   Tenants    `toml:"tenants"`
	Declared  []Tenant   `toml:"tenant"`
	Store     Store      `toml:"store"`
	Timeouts  Timeouts   `toml:"timeouts"`
	Limits    Limits     `toml:"limits"`
	Routes    []Route    `toml:"route"`
	Admin     Admin      `toml:"admin"`
	Log       Log        `toml:"log"`
	Drain     Drain      `toml:"drain"`
	Record    Record     `toml:"record"`

	// origins tells, by key path, where a value was said: "host.toml:12" or
	// "--listen".
	origins map[string]string
}

// Listener is one address that the host accepts connections on.
type Listener struct {
	// Name is shown in logs; unique. Empty: its address.
	Name string `toml:"name,omitempty"`
	// Address is host:port; port 0 takes a free one.
	Address string `toml:"address"`
	// Protocol is "http" (HTTP/1 and HTTP/2) or "tcp" (relayed bytes).
	Protocol string `toml:"protocol"`
	// Tenant is the name of the tenant that its connections belong to. Empty:
	// TenantBy tells.
	Tenant string `toml:"tenant,omitempty"`
	// TenantBy is how the tenant of a connection is known: "listener" (Tenant,
	// else the default one), "sni", "host" (of the first request) or
	// "destination" (that the PROXY protocol names). Empty: "listener" where
	// there is no other tenant or Tenant is set, else "sni" with TLS, "host"
	// without, and "listener" for tcp.
	TenantBy string `toml:"tenant_by,omitempty"`
	// ProxyFrom are addresses or networks whose connections begin with a
	// header of the PROXY protocol, version 1 or 2.
	ProxyFrom []string `toml:"proxy_from,omitempty"`
	// Upstream replaces the targets of [upstream] for this listener.
	Upstream []string `toml:"upstream,omitempty"`
	// TrustedProxies are addresses or networks whose forwarding headers are
	// kept.
	TrustedProxies []string `toml:"trusted_proxies,omitempty"`
	// TLS makes the listener speak TLS. The first certificate answers where
	// none matches the server name.
	TLS []Certificate `toml:"tls,omitempty"`
	// HeaderTable lets HTTP/2 clients compress a request's headers with those
	// of earlier ones. That takes 4,096 bytes a connection on either side, and
	// the connections do not park.
	HeaderTable bool `toml:"header_table,omitempty"`
}

// Certificate is a pair of PEM files; relative paths start at the folder of
// the configuration file.
type Certificate struct {
	Cert string `toml:"cert"`
	Key  string `toml:"key"`
}

// Upstream is where requests go.
type Upstream struct {
	// Targets are URLs: http, https, h2c or (for tcp listeners) tcp. None:
	// the built-in demo answers.
	Targets []string `toml:"targets,omitempty"`
	// DialTimeout bounds the TCP connect of one attempt.
	DialTimeout Duration `toml:"dial_timeout"`
	// CA is a PEM file of the only authorities trusted for https targets.
	// Empty: the system's.
	CA string `toml:"ca,omitempty"`
	// Insecure accepts any certificate of an https target.
	Insecure bool `toml:"insecure"`
	// RewriteHost sends the target's host name instead of the client's Host.
	RewriteHost bool `toml:"rewrite_host"`
}

// Plugin is the policy that decides.
type Plugin struct {
	// Path is a file, else the name of a bundled policy. Empty: the native
	// fixed policy, which is [timeouts] unchanged.
	Path string `toml:"path,omitempty"`
	// Config holds the parameters handed to the policy; numbers and booleans
	// become text.
	Config map[string]string `toml:"config,omitempty"`
	// OnFault says what answers where the policy cannot, by the cause of the
	// fault: "default" ([timeouts]), "keep" (the last deadline) or "previous"
	// (the policy before). A cause that is not named: "default", but "keep"
	// for rate.
	OnFault map[string]string `toml:"on_fault,omitempty"`
	// OnLoadFailure says what the host does if the policy does not load: "error"
	// (it does not start, and refuses the whole reload) or "native" (at the start
	// the native policy answers, after a reload the policy before). Empty: "error".
	OnLoadFailure string `toml:"on_load_failure,omitempty"`
	// Isolate runs the policy in a worker process, as those that tenants upload
	// are; false: in the host's.
	Isolate bool `toml:"isolate,omitempty"`

	// Dir is the folder that a relative Path starts at; empty: the working
	// directory.
	Dir string `toml:"-"`
}

// Worker is about the processes in which the policies run that tenants upload.
type Worker struct {
	// Processes is how many of them the tenants share that have none of their own.
	// 0: one for every four processors, at least one. What is changed holds from
	// the next start.
	Processes int `toml:"processes"`
}

// Limits bound how much is open and remembered. 0: no limit of the host's own.
type Limits struct {
	// Connections is how many connections the host may have open, both sides.
	Connections int `toml:"connections"`
	// TenantConnections is how many accepted connections the tenant may have.
	TenantConnections int `toml:"tenant_connections"`
	// Clients bounds the table of remembered clients.
	Clients int `toml:"clients"`
	// ParkAfter is how long a connection is quiet before it gives its
	// goroutines and buffers back. 0: never.
	ParkAfter Duration `toml:"park_after"`
}

// Route gives the requests under a path prefix a class that policies see.
type Route struct {
	Prefix string `toml:"prefix"`
	// Class is 1 to MaxClass; requests that no route matches have class 0.
	Class int `toml:"class"`
}

// MaxClass is the largest route class: every class costs a histogram.
const MaxClass = 63

// Admin is the operator's own HTTP server.
type Admin struct {
	// Address is host:port, or "off".
	Address string `toml:"address"`
	// TokenEnv names an environment variable that holds the bearer token.
	TokenEnv string `toml:"token_env,omitempty"`
	// TokenFile is a file whose lines are bearer tokens.
	TokenFile string `toml:"token_file,omitempty"`
	// Open lets everybody in who reaches a loopback address, as an operator,
	// where no token is configured.
	Open bool `toml:"open"`
	// TLSCert and TLSKey are PEM files; with them the server speaks HTTPS.
	TLSCert string `toml:"tls_cert,omitempty"`
	TLSKey  string `toml:"tls_key,omitempty"`
	// ClientCA is a PEM file of the authorities that sign clients'
	// certificates; Clients says who they are.
	ClientCA string   `toml:"client_ca,omitempty"`
	Clients  []Client `toml:"client,omitempty"`
	// Pprof serves /debug/pprof.
	Pprof bool `toml:"pprof"`
}

// Client is the bearer of a certificate.
type Client struct {
	// Name is the common name of the certificate, or one of its DNS, e-mail or
	// URI names.
	Name string `toml:"name"`
	// Tenant is the only one that it may look after. Empty: it is an operator.
	Tenant string `toml:"tenant,omitempty"`
}

// Off is the address of an admin server that does not run.
const Off = "off"

// Log says how the host logs.
type Log struct {
	Format string `toml:"format"` // text or json
	Level  string `toml:"level"`  // debug, info, warn or error
	// Rate is how many connection lines a tenant may cause per second; Burst
	// how many at once.
	Rate  int `toml:"rate"`
	Burst int `toml:"burst"`
}

// Drain says how the host stops.
type Drain struct {
	// Timeout bounds the wait for requests in flight.
	Timeout Duration `toml:"timeout"`
}
