package config

import (
	"net/mail"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// EnvPrefix is the beginning of the environment's name of every key.
const EnvPrefix = "HOOKSWITCH_"

// Config is everything that an operator decides about a server. The keys are documented in the default file, see [Default].
type Config struct {
	Server
	Database string
	Master   Master
	Access   Access
	Targets  Targets
	Log      Log
	Lease    time.Duration
	// Retention is zero when interactions are kept for ever.
	Retention time.Duration
	Traces    Traces
	Mail      Mail
	Metrics   Metrics
	// NoticeQuiet is how long nothing of the kind of a notice about the same webhook follows it.
	NoticeQuiet time.Duration

	settings []Setting
}

// Server says how requests come in.
type Server struct {
	Listen string
	// PublicURL has no slash at its end; it is empty when it is to be made from the address that is listened on.
	PublicURL    string
	DrainTimeout time.Duration
	TLS          ServerTLS
	// Operations is where operators reach metrics and profiles; empty for nowhere else.
	Operations string
	Limits     Limits
}

// ServerTLS names the files of the server's certificate; both are empty for plain HTTP.
type ServerTLS struct{ Cert, Key string }

// Limits say how much callers may use of a server.
type Limits struct {
	Connections, ConnectionsPerAddress, Requests int
}

// Master says where the master keyset is; at most one of the two is set.
type Master struct {
	// Keyset is the keyset itself.
	Keyset hook.Secret
	File   string
}

// Access says who may call the API, and sign in to the console.
type Access struct {
	// AdminKey is zero when none is configured.
	AdminKey hook.Secret
	OIDC     OIDC
	SignIn   SignIn
}

// Targets says which receivers may be reached, and how.
type Targets struct {
	AllowPrivate []netip.Prefix
	// Proxy is nil when receivers are reached directly.
	Proxy *EgressProxy
	// Direct are the networks that are reached without it all the same.
	Direct []netip.Prefix
}

// Metrics says what the metrics show.
type Metrics struct {
	// Webhooks is how many webhooks have series of their own.
	Webhooks int
}

// Traces says where distributed traces go, and which.
type Traces struct {
	// Endpoint is nil when nothing is traced.
	Endpoint *url.URL
	// Sample is a share from 0 to 1.
	Sample float64
}

// Log is how the log is written.
type Log struct {
	Format string
	Level  string
}

// The formats of the log.
const (
	// LogText is for people.
	LogText = "text"
	// LogJSON is one JSON object per line.
	LogJSON = "json"
)

// key is one row of the table of keys.
type key struct {
	name   string
	secret bool
	list   bool
	// file says that the value may stand in a file of its own, which the variable with _FILE behind its name names.
	file bool
	// set reads a text into the configuration; its error says what would be right, without the value.
	set func(c *Config, text string) error
}

// keys is the table of keys, in the order of the default file.
func keys() []key {
	return []key{
		{name: "listen", set: into(func(c *Config) *string { return &c.Listen }, parseListen)},
		{name: "tls-cert", set: into(func(c *Config) *string { return &c.TLS.Cert }, parsePath)},
		{name: "tls-key", set: into(func(c *Config) *string { return &c.TLS.Key }, parsePath)},
		{name: "operations-listen", set: into(func(c *Config) *string { return &c.Operations }, parseOptionalListen)},
		{name: "connections-max", set: into(func(c *Config) *int { return &c.Limits.Connections }, number(1, ConnectionsMost))},
		{name: "connections-per-address-max", set: into(func(c *Config) *int { return &c.Limits.ConnectionsPerAddress }, number(1, ConnectionsMost))},
		{name: "requests-max", set: into(func(c *Config) *int { return &c.Limits.Requests }, number(1, RequestsMost))},
		{name: "database", file: true, set: into(func(c *Config) *string { return &c.Database }, parseDatabase)},
		{name: "public-url", set: into(func(c *Config) *string { return &c.PublicURL }, parsePublicURL)},
		{name: "master-keyset", secret: true, set: into(func(c *Config) *hook.Secret { return &c.Master.Keyset }, parseKeyset)},
		{name: "master-keyset-file", set: into(func(c *Config) *string { return &c.Master.File }, parsePath)},
		{name: "admin-key", secret: true, file: true, set: into(func(c *Config) *hook.Secret { return &c.Access.AdminKey }, parseAdminKey)},
		{name: "oidc-issuer", set: into(func(c *Config) *string { return &c.Access.OIDC.Issuer }, parseIssuer)},
		{name: "oidc-audience", set: into(func(c *Config) *string { return &c.Access.OIDC.Audience }, parseAudience)},
		{name: "oidc-center-claim", set: into(func(c *Config) *string { return &c.Access.OIDC.CenterClaim }, parseClaim)},
		{name: "oidc-permissions-claim", set: into(func(c *Config) *string { return &c.Access.OIDC.PermissionsClaim }, parseClaim)},
		{name: "oidc-permissions-prefix", set: into(func(c *Config) *string { return &c.Access.OIDC.PermissionsPrefix }, parseClaim)},
		{name: "oidc-ca-file", set: into(func(c *Config) *string { return &c.Access.OIDC.CAFile }, parsePath)},
		{name: "oidc-client-id", set: into(func(c *Config) *string { return &c.Access.SignIn.ClientID }, parseClientID)},
		{name: "oidc-client-secret", secret: true, file: true, set: into(func(c *Config) *hook.Secret { return &c.Access.SignIn.ClientSecret }, parseClientSecret)},
		{name: "oidc-scopes", list: true, set: into(func(c *Config) *[]string { return &c.Access.SignIn.Scopes }, parseScopes)},
		{name: "allow-private-targets", list: true, set: into(func(c *Config) *[]netip.Prefix { return &c.Targets.AllowPrivate }, parsePrefixes)},
		{name: "egress-proxy", secret: true, file: true, set: into(func(c *Config) **EgressProxy { return &c.Targets.Proxy }, parseProxy)},
		{name: "egress-proxy-except", list: true, set: into(func(c *Config) *[]netip.Prefix { return &c.Targets.Direct }, parsePrefixes)},
		{name: "log-format", set: into(func(c *Config) *string { return &c.Log.Format }, oneOf(LogText, LogJSON))},
		{name: "log-level", set: into(func(c *Config) *string { return &c.Log.Level }, oneOf("debug", "info", "warn", "error"))},
		{name: "drain-timeout", set: into(func(c *Config) *time.Duration { return &c.DrainTimeout }, between(0, DrainTimeoutMax))},
		{name: "lease", set: into(func(c *Config) *time.Duration { return &c.Lease }, between(LeaseMin, LeaseMax))},
		{name: "retention", set: into(func(c *Config) *time.Duration { return &c.Retention }, zeroOr(between(RetentionShortest, RetentionLongest)))},
		{name: "otlp-endpoint", set: into(func(c *Config) **url.URL { return &c.Traces.Endpoint }, parseEndpoint)},
		{name: "trace-sample", set: into(func(c *Config) *float64 { return &c.Traces.Sample }, parseShare)},
		{name: "smtp", secret: true, file: true, set: into(func(c *Config) **MailServer { return &c.Mail.Server }, parseMailServer)},
		{name: "smtp-from", set: into(func(c *Config) *mail.Address { return &c.Mail.From }, parseMailFrom)},
		{name: "metrics-webhooks", set: into(func(c *Config) *int { return &c.Metrics.Webhooks }, number(0, MetricsWebhooksMax))},
		{name: "notice-quiet", set: into(func(c *Config) *time.Duration { return &c.NoticeQuiet }, between(hook.NoticeQuietShortest, hook.NoticeQuietLongest))},
	}
}

// Key is one key of the configuration as its user sees it.
type Key struct {
	// Name is the key in the YAML file; the flag is the same with two dashes before it.
	Name string
	// Env is the variable in the environment.
	Env string
	// FileEnv is the variable that names a file with the value; empty where there is none.
	FileEnv string
	// Doc is the text of the default file about the key, in one line per paragraph line.
	Doc string
	// Default is the default as the default file writes it.
	Default string
	// List says that the key takes several values, with commas between them in flags and variables.
	List bool
	// Secret says that the value is shown nowhere.
	Secret bool
}

// Keys returns every key, in the order of the default file.
func Keys() []Key {
	stanzas := stanzas(Default())
	table := keys()
	out := make([]Key, len(table))
	for i, k := range table {
		s := stanzas[k.name]
		out[i] = Key{Name: k.name, Env: envName(k.name), Doc: s.doc, Default: s.value, List: k.list, Secret: k.secret}
		if k.file {
			out[i].FileEnv = out[i].Env + fileSuffix
		}
	}
	return out
}

// Usage returns the first sentence about the key, for a flag's help.
func (k Key) Usage() string {
	first, _, _ := strings.Cut(strings.ReplaceAll(k.Doc, "\n", " "), ". ")
	return strings.TrimSuffix(first, ".")
}

// password matches the password in a URL, up to the last @ that may end it, and those that a database's connection has as parameters.
var password = regexp.MustCompile(`(://[^:@/\s]*:)\S*(@)|(\b(?:ssl)?password=)[^&\s]*`)

// HidePassword returns a text in which three stars stand for the password of each URL.
func HidePassword(text string) string { return password.ReplaceAllString(text, "$1$3***$2") }

func envName(name string) string {
	return EnvPrefix + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// Setting is a key with the value that is in force and where it came from.
type Setting struct {
	Key
	// Value is the text that was given; three stars for a secret, and for the password in a URL.
	Value string
	// Origin is the place, for example "flag --listen" or "/etc/hookswitch.yaml:3".
	Origin string
}

// Settings returns every key with its value and the place it came from, in the order of the default file.
func (c *Config) Settings() []Setting { return c.settings }
