package egress

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"

	"code.dny.dev/ssrf"
)

// guard decides which addresses may be dialled.
type guard struct {
	allow    []netip.Prefix
	public   *ssrf.Guardian
	badPorts []uint16
	own      own
}

// Addresses that are special although no registry of IANA says so, or that deserve a name of their own in an error.
const (
	// azureMetadata is a public address that Azure answers inside its virtual machines ("What is IP address
	// 168.63.129.16?", Azure's documentation of virtual networks).
	azureMetadata = "168.63.129.16"
	// linkLocalMetadata is the metadata address of most clouds; amazonMetadata is Amazon's in IPv6 ("Instance metadata",
	// Amazon EC2 User Guide).
	linkLocalMetadata = "169.254.169.254"
	amazonMetadata    = "fd00:ec2::254"
	// shared is the address space of carrier-grade NAT (RFC 6598, section 7).
	shared = "100.64.0.0/10"
)

func newGuard(allow []netip.Prefix) *guard {
	g := &guard{badPorts: badPorts(), own: own{list: net.InterfaceAddrs}, public: ssrf.New(
		ssrf.WithAnyPort(),
		ssrf.WithDeniedV4Prefixes(netip.MustParsePrefix(azureMetadata+"/32")),
	)}
	for _, p := range allow {
		g.allow = append(g.allow, unmapped(p))
	}
	return g
}

// unmapped returns the prefix of IPv4 addresses that a prefix of IPv4-mapped ones stands for, and any other as it is:
// addresses are compared unmapped.
func unmapped(p netip.Prefix) netip.Prefix {
	const mappedBits = 96 // RFC 4291, section 2.5.5.2
	if p.Addr().Is4In6() && p.Bits() >= mappedBits {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-mappedBits)
	}
	return p
}

// blockedError says that an address may not be dialled, and what to do about it.
type blockedError struct{ reason string }

func (e *blockedError) Error() string { return e.reason }

// controlSecure is the [net.Dialer] hook for https: it sees each address after DNS, just before it is connected to.
func (g *guard) controlSecure(_, address string, _ syscall.RawConn) error {
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		return &blockedError{"the address is not one of IP"}
	}
	return g.check(a)
}

// controlPlain is the same for http, which only an allowed address may be spoken to with.
func (g *guard) controlPlain(network, address string, conn syscall.RawConn) error {
	if err := g.controlSecure(network, address, conn); err != nil {
		return err
	}
	return g.checkPlain(netip.MustParseAddrPort(address).Addr()) // controlSecure has parsed it
}

// checkTarget does for an address that a proxy shall connect to what controlSecure and controlPlain do for one that is dialled from here.
func (g *guard) checkTarget(to netip.AddrPort, secure bool) error {
	if err := g.check(to); err != nil {
		return err
	}
	if secure {
		return nil
	}
	return g.checkPlain(to.Addr())
}

// checkPlain returns a [blockedError] when an address that passed check must not be spoken to with http.
func (g *guard) checkPlain(a netip.Addr) error {
	if !g.allows(a) {
		return &blockedError{fmt.Sprintf(
			"http is refused for the public address %s: use https, or have the operator list it in allow-private-targets", a.Unmap(),
		)}
	}
	return nil
}

// Check says why the URL can never be posted to, whatever its host's name resolves to, or nothing: http or a port of another protocol
// where the operator allows no private network at all, hosts that are addresses (localhost is the loopback ones) which would be refused
// when they are dialled, and numbers that are addresses in another spelling. It looks nothing up, so a URL that passes may still be
// refused.
func (c *Client) Check(u *url.URL) error {
	if u.Scheme == "http" && len(c.guard.allow) == 0 {
		return &blockedError{"http is refused: use https, or have the operator list the receiver's network in allow-private-targets"}
	}
	if err := checkSpelling(u.Hostname()); err != nil {
		return err
	}
	port, err := portOf(u)
	if err != nil {
		return err
	}
	var refused error
	for _, a := range literal(u.Hostname()) {
		err := c.guard.check(netip.AddrPortFrom(a, port))
		if err == nil && u.Scheme == "http" {
			err = c.guard.checkPlain(a)
		}
		if err == nil { // one address that may be dialled is enough
			return nil
		}
		if refused == nil {
			refused = err
		}
	}
	if refused == nil && len(c.guard.allow) == 0 { // a name, whose addresses must be public
		refused = c.guard.checkPort(port)
	}
	return refused
}

// portOf returns the port that a URL means.
func portOf(u *url.URL) (uint16, error) {
	switch text := u.Port(); {
	case text == "" && u.Scheme == "http":
		return 80, nil
	case text == "":
		return 443, nil
	default:
		port, err := strconv.ParseUint(text, 10, 16)
		if err != nil {
			return 0, &blockedError{"the port " + text + " is not a number from 1 to 65535"}
		}
		return uint16(port), nil
	}
}

// literal returns the addresses that a host stands for without being looked up: its own, or the loopback ones (RFC 6761,
// section 6.3).
func literal(host string) []netip.Addr {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}
	}
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}
	}
	return nil
}

// checkSpelling refuses hosts that end in a number and are not four decimal ones: 2130706433, 0x7f.1, 0177.0.0.1, 127.1 and 127.0.0.1. are
// addresses to some resolvers and browsers (URL standard, section 3.5, "ends in a number") and names to others. No name ends so: no
// top-level domain is a number. What such a resolver made of one would be checked too; this only says so in clear words.
func checkSpelling(host string) error {
	if _, err := netip.ParseAddr(host); err == nil {
		return nil
	}
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	last := strings.ToLower(labels[len(labels)-1])
	if digits, hex := strings.CutPrefix(last, "0x"); hex && strings.Trim(digits, "0123456789abcdef") == "" || last != "" && strings.Trim(last, "0123456789") == "" {
		return &blockedError{"the host " + host + " is neither a name nor an address: write an IPv4 address as four decimal numbers, such as 192.0.2.1"}
	}
	return nil
}

// check returns a [blockedError] when the address is neither public nor allowed, or is public at a port for something else.
func (g *guard) check(to netip.AddrPort) error {
	a := to.Addr().Unmap()
	if g.allows(a) {
		return nil
	}
	judged := a
	if embedded, ok := translated(a); ok {
		judged = embedded
	}
	if err := g.public.SafeAddr(judged.WithZone("")); err != nil {
		return unlisted(a, kind(judged))
	}
	if embedded, ok := isatap(a); ok && g.public.SafeAddr(embedded) != nil {
		return unlisted(a, "a tunnel (ISATAP) to an address that is "+kind(embedded))
	}
	if a.Zone() != "" {
		return unlisted(a, "of one network interface alone (it has a zone)")
	}
	if g.own.has(judged) {
		return unlisted(a, "this machine's own")
	}
	return g.checkPort(to.Port())
}

// unlisted says of which kind an address is that the operator has not listed.
func unlisted(a netip.Addr, kind string) error {
	return &blockedError{fmt.Sprintf("the address %s is %s: the operator has not listed it in allow-private-targets", a, kind)}
}

// isatap returns the IPv4 address that a host of ISATAP would tunnel to, whatever the network's prefix: the interface identifier holds it
// behind 0000:5efe or 0200:5efe (RFC 5214, section 6.1).
func isatap(a netip.Addr) (netip.Addr, bool) {
	b := a.As16()
	if !a.Is6() || b[8]&^0x02 != 0 || b[9] != 0 || b[10] != 0x5e || b[11] != 0xfe {
		return netip.Addr{}, false
	}
	return netip.AddrFrom4([4]byte(b[12:])), true
}

// allows reports whether the operator's list contains the address.
func (g *guard) allows(a netip.Addr) bool { return contains(g.allow, a) }

// contains reports whether one of the networks, of which none is mapped, contains the address.
func contains(networks []netip.Prefix, a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	for _, p := range networks {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// translated returns the IPv4 address that a NAT64 gateway would connect to. In a network that has IPv6 only, that is how
// public IPv4 receivers are reached, so such an address is as good as the one within (RFC 6052, section 2).
func translated(a netip.Addr) (netip.Addr, bool) {
	if !ssrf.IPv6NAT64Prefix.Contains(a.WithZone("")) {
		return netip.Addr{}, false
	}
	b := a.As16()
	return netip.AddrFrom4([4]byte(b[12:])), true
}

// kind names what is not public about an address.
func kind(a netip.Addr) string {
	switch a.String() {
	case azureMetadata, linkLocalMetadata, amazonMetadata:
		return "a cloud's metadata service"
	}
	switch {
	case a.IsUnspecified():
		return "unspecified"
	case a.IsLoopback():
		return "loopback"
	case a.IsPrivate():
		return "private"
	case a.IsLinkLocalUnicast(), a.IsLinkLocalMulticast():
		return "link-local"
	case a.IsMulticast():
		return "multicast"
	case netip.MustParsePrefix(shared).Contains(a):
		return "shared (CGNAT)"
	}
	return "not public"
}
