package egress

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/hookswitch/hookswitch/internal/hook"
)

func TestGuard(t *testing.T) {
	prefixes := func(texts ...string) (list []netip.Prefix) {
		for _, text := range texts {
			list = append(list, netip.MustParsePrefix(text))
		}
		return list
	}
	tests := []struct {
		name    string
		address string
		allow   []netip.Prefix
		// secure and plain are the reasons why https and http are refused; "-" stands for the one about http to a public
		// address.
		secure, plain string
	}{
		{name: "public", address: "8.8.8.8", plain: "-"},
		{name: "public, 6", address: "2001:4860:4860::8888", plain: "-"},
		{name: "public, mapped", address: "::ffff:8.8.8.8", plain: "-"},
		{name: "public, allowed", address: "8.8.8.8", allow: prefixes("8.8.8.0/24")},
		{name: "unspecified", address: "0.0.0.0", secure: "unspecified"},
		{name: "unspecified, 6", address: "::", secure: "unspecified"},
		{name: "unspecified, mapped", address: "::ffff:0.0.0.0", secure: "unspecified"},
		{name: "this network", address: "0.1.2.3", secure: "not public"},
		{name: "loopback", address: "127.0.0.1", secure: "loopback"},
		{name: "loopback, last", address: "127.255.255.255", secure: "loopback"},
		{name: "loopback, 6", address: "::1", secure: "loopback"},
		{name: "loopback, mapped", address: "::ffff:127.0.0.1", secure: "loopback"},
		{name: "loopback, compatible", address: "::127.0.0.1", secure: "not public"},
		{name: "loopback, translated", address: "::ffff:0:127.0.0.1", secure: "not public"},
		{name: "private 10", address: "10.0.0.1", secure: "private"},
		{name: "private 172.16", address: "172.16.0.1", secure: "private"},
		{name: "private 172.31", address: "172.31.255.255", secure: "private"},
		{name: "after private 172.31", address: "172.32.0.1", plain: "-"},
		{name: "private 192.168", address: "192.168.1.1", secure: "private"},
		{name: "private, mapped", address: "::ffff:10.0.0.1", secure: "private"},
		{name: "private, 6", address: "fd12:3456::1", secure: "private"},
		{name: "private, 6, fc", address: "fc00::1", secure: "private"},
		{name: "site-local", address: "fec0::1", secure: "not public"},
		{name: "link-local", address: "169.254.1.1", secure: "link-local"},
		{name: "link-local, 6", address: "fe80::1", secure: "link-local"},
		{name: "link-local, 6, zone", address: "fe80::1%eth0", secure: "link-local"},
		{name: "metadata", address: "169.254.169.254", secure: "a cloud's metadata service"},
		{name: "metadata, mapped", address: "::ffff:169.254.169.254", secure: "a cloud's metadata service"},
		{name: "metadata, Amazon 6", address: "fd00:ec2::254", secure: "a cloud's metadata service"},
		{name: "metadata, Azure", address: "168.63.129.16", secure: "a cloud's metadata service"},
		{name: "metadata, Azure, mapped", address: "::ffff:168.63.129.16", secure: "a cloud's metadata service"},
		{name: "beside Azure's", address: "168.63.129.17", plain: "-"},
		{name: "metadata, Alibaba", address: "100.100.100.200", secure: "shared (CGNAT)"},
		{name: "metadata, Oracle", address: "192.0.0.192", secure: "not public"},
		{name: "CGNAT, first", address: "100.64.0.0", secure: "shared (CGNAT)"},
		{name: "CGNAT, last", address: "100.127.255.255", secure: "shared (CGNAT)"},
		{name: "after CGNAT", address: "100.128.0.1", plain: "-"},
		{name: "documentation", address: "192.0.2.1", secure: "not public"},
		{name: "benchmarking", address: "198.18.0.1", secure: "not public"},
		{name: "multicast", address: "239.1.1.1", secure: "multicast"},
		{name: "multicast, 6", address: "ff0e::1", secure: "multicast"},
		{name: "reserved", address: "240.0.0.1", secure: "not public"},
		{name: "broadcast", address: "255.255.255.255", secure: "not public"},
		{name: "6to4 of private", address: "2002:0a00:0001::1", secure: "not public"},
		{name: "6to4 of public", address: "2002:0808:0808::1", secure: "not public"},
		{name: "Teredo", address: "2001:0:808:808::1", secure: "not public"},
		{name: "documentation, 6", address: "2001:db8::1", secure: "not public"},
		{name: "NAT64 of public", address: "64:ff9b::8.8.8.8", plain: "-"},
		{name: "NAT64 of loopback", address: "64:ff9b::127.0.0.1", secure: "loopback"},
		{name: "NAT64 of private", address: "64:ff9b::10.0.0.1", secure: "private"},
		{name: "NAT64 of metadata", address: "64:ff9b::169.254.169.254", secure: "a cloud's metadata service"},
		{name: "NAT64 of Azure's", address: "64:ff9b::168.63.129.16", secure: "a cloud's metadata service"},
		{name: "NAT64 of private that is allowed as such", address: "64:ff9b::10.0.0.1", allow: prefixes("10.0.0.0/8"), secure: "private"},
		{name: "NAT64 of private, allowed", address: "64:ff9b::10.0.0.1", allow: prefixes("64:ff9b::/96")},
		{name: "NAT64, local prefix", address: "64:ff9b:1::8.8.8.8", secure: "not public"},
		{name: "NAT64, local prefix, of private", address: "64:ff9b:1::10.0.0.1", secure: "not public"},
		{name: "discard", address: "100::1", secure: "not public"},
		{name: "segment routing", address: "5f00::1", secure: "not public"},
		{name: "ORCHID", address: "2001:20::1", secure: "not public"},
		{name: "documentation, 6, new", address: "3fff::1", secure: "not public"},
		{name: "not assigned", address: "4000::1", secure: "not public"},
		{name: "6to4 of loopback", address: "2002:7f00:1::", secure: "not public"},
		{name: "6to4 of metadata", address: "2002:a9fe:a9fe::", secure: "not public"},
		{name: "Teredo of private", address: "2001:0:a00:1::f5ff:fffe", secure: "not public"},
		{name: "ISATAP of private", address: "2001:4860::5efe:10.0.0.1", secure: "a tunnel (ISATAP) to an address that is private"},
		{name: "ISATAP of loopback, the other bit", address: "2001:4860::200:5efe:127.0.0.1", secure: "a tunnel (ISATAP) to an address that is loopback"},
		{name: "ISATAP of public", address: "2001:4860::200:5efe:8.8.8.8", plain: "-"},
		{name: "zone at a public address", address: "2001:4860:4860::8888%eth0", secure: "of one network interface alone (it has a zone)"},
		{name: "this machine's", address: "9.9.9.9", secure: "this machine's own"},
		{name: "this machine's, mapped", address: "::ffff:9.9.9.9", secure: "this machine's own"},
		{name: "this machine's, NAT64", address: "64:ff9b::9.9.9.9", secure: "this machine's own"},
		{name: "this machine's, 6", address: "2620:fe::fe", secure: "this machine's own"},
		{name: "this machine's, allowed", address: "2620:fe::fe", allow: prefixes("2620:fe::/48")},

		{name: "allowed private", address: "10.0.0.1", allow: prefixes("192.168.0.0/16", "10.0.0.0/8")},
		{name: "allowed private, mapped", address: "::ffff:10.0.0.1", allow: prefixes("10.0.0.0/8")},
		{name: "allowed by a mapped prefix", address: "10.0.0.1", allow: prefixes("::ffff:10.0.0.0/104")},
		{name: "allowed by a prefix with host bits", address: "10.9.9.9", allow: prefixes("10.1.2.3/8")},
		{name: "outside what is allowed", address: "11.0.0.1", allow: prefixes("10.0.0.0/8"), plain: "-"},
		{name: "other private", address: "192.168.0.1", allow: prefixes("10.0.0.0/8"), secure: "private"},
		{name: "allowed metadata", address: "169.254.169.254", allow: prefixes("169.254.169.254/32")},
		{name: "allowed unspecified", address: "0.0.0.0", allow: prefixes("0.0.0.0/32")},
		{name: "allowed link-local with a zone", address: "fe80::1%eth0", allow: prefixes("fe80::/10")},
		{name: "all of IPv4 is nothing of IPv6", address: "::1", allow: prefixes("0.0.0.0/0"), secure: "loopback"},
		{name: "all of IPv6 is nothing of IPv4", address: "127.0.0.1", allow: prefixes("::/0"), secure: "loopback"},
		{name: "a prefix that is none", address: "127.0.0.1", allow: []netip.Prefix{{}}, secure: "loopback"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			g := newGuard(test.allow)
			g.own.list = owning("9.9.9.9/24", "2620:fe::fe/64")
			shown := netip.MustParseAddr(test.address).Unmap().String()
			reason := func(kind string) string {
				switch kind {
				case "":
					return ""
				case "-":
					return "http is refused for the public address " + shown + ": use https, or have the operator list it in allow-private-targets"
				}
				return "the address " + shown + " is " + kind + ": the operator has not listed it in allow-private-targets"
			}
			if test.secure != "" {
				test.plain = test.secure // what https refuses, http refuses for the same reason
			}
			dialled := net.JoinHostPort(test.address, "443")
			if got := textOf(g.controlSecure("tcp", dialled, nil)); got != reason(test.secure) {
				t.Errorf("https: got %q, want %q", got, reason(test.secure))
			}
			if got := textOf(g.controlPlain("tcp", dialled, nil)); got != reason(test.plain) {
				t.Errorf("http: got %q, want %q", got, reason(test.plain))
			}
		})
	}
}

// owning is a machine that has addresses.
func owning(texts ...string) func() ([]net.Addr, error) {
	return func() (list []net.Addr, err error) {
		for _, text := range texts {
			p := netip.MustParsePrefix(text)
			list = append(list, &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())})
		}
		return list, nil
	}
}

// A machine that does not tell its addresses loses no receivers for it.
func TestOwnAddressesUnknown(t *testing.T) {
	g := newGuard(nil)
	g.own.list = func() ([]net.Addr, error) { return nil, errors.New("not permitted") }
	if got := textOf(g.controlSecure("tcp", "8.8.8.8:443", nil)); got != "" {
		t.Errorf("got %q", got)
	}
	here := newGuard(nil)
	list, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range list {
		if own := netip.MustParsePrefix(a.String()).Addr(); !here.own.has(own) {
			t.Errorf("%s is not known", own)
		}
	}
}

// Ports of other protocols are refused where the operator has not listed the address: the list of the Fetch standard.
func TestGuardPorts(t *testing.T) {
	g := newGuard(loopback())
	for _, port := range []string{"0", "22", "25", "53", "110", "143", "465", "587", "993", "2049", "5060", "6000", "6667", "10080"} {
		want := "the port " + port + " is for another protocol than HTTP: use another one, or have the operator list the address in allow-private-targets"
		if got := textOf(g.controlSecure("tcp", "8.8.8.8:"+port, nil)); got != want {
			t.Errorf("%s: got %q", port, got)
		}
		if got := textOf(g.controlPlain("tcp", "127.0.0.1:"+port, nil)); got != "" {
			t.Errorf("%s of an allowed address: got %q", port, got)
		}
	}
	for _, port := range []string{"80", "443", "8080", "8443", "3000", "65535"} {
		if got := textOf(g.controlSecure("tcp", "8.8.8.8:"+port, nil)); got != "" {
			t.Errorf("%s: got %q", port, got)
		}
	}
	if !slices.IsSorted(g.badPorts) || len(g.badPorts) != 83 {
		t.Errorf("%d bad ports, in order: %t", len(g.badPorts), slices.IsSorted(g.badPorts))
	}
}

// Addresses in other clothes go nowhere that their plain form may not: refused by their spelling, or by the address that they become.
func TestDisguisedAddresses(t *testing.T) {
	// A resolver that takes every spelling for loopback, as those of some systems do.
	names := &nameServer{answers: func(int64) []netip.Addr { return addresses("127.0.0.1") }}
	r := listen(t, answer(ok))
	_, port, err := net.SplitHostPort(r.address)
	if err != nil {
		t.Fatal(err)
	}
	c := New(Options{Resolver: names.resolver(t)})
	defer c.Close()
	const spelling, loopback = " is neither a name nor an address", "the address 127.0.0.1 is loopback"
	for _, test := range []struct{ host, text string }{
		{"2130706433", spelling},
		{"0x7f000001", spelling},
		{"0x7F.1", spelling},
		{"0x", spelling},
		{"0177.0.0.1", spelling},
		{"127.1", spelling},
		{"127.0.1", spelling},
		{"127.0.0.1.", spelling},
		{"127.0.0.01", spelling},
		{"127.0.0.1.nip.example", loopback},
		{"localhost", loopback},
		{"LOCALHOST.", loopback},
		{"x.localhost", loopback},
		{"rebound.example", loopback},
		{"①②⑦.⓪.⓪.①", loopback}, // IDNA makes digits and dots of these
		{"127。0。0。1", loopback},
		{"１２７.０.０.１", loopback},
		{"%EF%BC%91%EF%BC%92%EF%BC%97.0.0.1", loopback},
		{"①②⑦.①", spelling},
		{"[::ffff:127.0.0.1]", loopback},
		{"[::ffff:7f00:1]", loopback},
		{"[0:0:0:0:0:ffff:7f00:1]", loopback},
		{"[::7f00:1]", "the address ::7f00:1 is not public"},
		{"[64:ff9b::7f00:1]", "the address 64:ff9b::7f00:1 is loopback"},
		{"[fe80::1%25lo]", "the address fe80::1%lo is link-local"},
		{"[::ffff:127.0.0.1%25lo]", ""},
	} {
		for _, scheme := range []string{"https", "http"} {
			u, err := url.Parse(scheme + "://" + test.host + ":" + port + "/")
			if err != nil {
				continue // refused even sooner
			}
			a := c.Send(t.Context(), hook.Post{URL: u, Timeout: long})
			if a.Failure != hook.FailureBlocked && test.text != "" || a.Failure == hook.FailureNone || !strings.Contains(a.Error, test.text) {
				t.Errorf("%s: got %v %q, want %q", u.Host, a.Failure, a.Error, test.text)
			}
		}
	}
	if n := r.connections.Load(); n != 0 {
		t.Errorf("%d connections", n)
	}
}

// textOf returns the reason of a [blockedError], and nothing for no error.
func textOf(err error) string {
	var blocked *blockedError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &blocked):
		return blocked.reason
	}
	return "not blocked but " + err.Error()
}

func TestCheck(t *testing.T) {
	const noHTTP = "http is refused: use https, or have the operator list the receiver's network in allow-private-targets"
	refused := func(address, kind string) string {
		return "the address " + address + " is " + kind + ": the operator has not listed it in allow-private-targets"
	}
	tests := []struct{ name, url, allow, want string }{
		{"https to a name", "https://receiver.example/", "", ""},
		{"https to a public address", "https://8.8.8.8/", "", ""},
		{"https to a private address", "https://10.0.0.1:8443/", "", refused("10.0.0.1", "private")},
		{"https to a mapped address", "https://[::ffff:127.0.0.1]/", "", refused("127.0.0.1", "loopback")},
		{"https to metadata", "https://169.254.169.254/", "", refused("169.254.169.254", "a cloud's metadata service")},
		{"https to localhost", "https://localhost/", "", refused("127.0.0.1", "loopback")},
		{"https below localhost", "https://A.LocalHost.:1/", "", refused("127.0.0.1", "loopback")},
		{"https to a name that only ends so", "https://notlocalhost/", "", ""},
		{"http where nothing is allowed", "http://receiver.example/", "", noHTTP},
		{"http to a private address where nothing is allowed", "http://10.0.0.1/", "", noHTTP},
		{"http to a name", "http://receiver.example/", "10.0.0.0/8", ""},
		{"http to an allowed address", "http://10.0.0.1/", "10.0.0.0/8", ""},
		{"http to another private address", "http://192.168.0.1/", "10.0.0.0/8", refused("192.168.0.1", "private")},
		{
			"http to a public address", "http://8.8.8.8/", "10.0.0.0/8",
			"http is refused for the public address 8.8.8.8: use https, or have the operator list it in allow-private-targets",
		},
		{"http to localhost, not allowed", "http://localhost/", "10.0.0.0/8", refused("127.0.0.1", "loopback")},
		{"http to localhost, allowed", "http://localhost:1/", "127.0.0.0/8", ""},
		{"https to a bad port", "https://receiver.example:25/", "", "the port 25 is for another protocol than HTTP: use another one, or have the operator list the address in allow-private-targets"},
		{"https to a bad port of an address", "https://8.8.8.8:22/", "10.0.0.0/8", "the port 22 is for another protocol than HTTP: use another one, or have the operator list the address in allow-private-targets"},
		{"https to a bad port of a name that may be allowed", "https://receiver.example:25/", "10.0.0.0/8", ""},
		{"https to a bad port that is allowed", "https://10.0.0.1:25/", "10.0.0.0/8", ""},
		{"https to no port", "https://receiver.example:65536/", "", "the port 65536 is not a number from 1 to 65535"},
		{"https to a number", "https://2130706433/", "", "the host 2130706433 is neither a name nor an address: write an IPv4 address as four decimal numbers, such as 192.0.2.1"},
		{"http to localhost, allowed in IPv6 alone", "http://localhost:1/", "::1/128", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var o Options
			if test.allow != "" {
				o.AllowPrivate = []netip.Prefix{netip.MustParsePrefix(test.allow)}
			}
			c := New(o)
			defer c.Close()
			if got := textOf(c.Check(parse(t, test.url))); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestGuardWithoutAddress(t *testing.T) {
	for _, address := range []string{"", "localhost:80", "127.0.0.1", "/run/docker.sock"} {
		if textOf(newGuard(loopback()).controlPlain("tcp", address, nil)) == "" {
			t.Errorf("%q passed", address)
		}
	}
}

func TestLoopbackIsBlocked(t *testing.T) {
	r := listen(t, answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
	_, port, err := net.SplitHostPort(r.address)
	if err != nil {
		t.Fatal(err)
	}
	c := New(Options{})
	defer c.Close()
	tests := []struct{ host, shown, kind string }{
		{"127.0.0.1", "127.0.0.1", "loopback"},
		{"[::ffff:127.0.0.1]", "127.0.0.1", "loopback"},
		{"[::1]", "::1", "loopback"},
		{"0.0.0.0", "0.0.0.0", "unspecified"},
		{"169.254.169.254", "169.254.169.254", "a cloud's metadata service"},
	}
	for _, test := range tests {
		for _, scheme := range []string{"http", "https"} {
			t.Run(scheme+" "+test.host, func(t *testing.T) {
				a := send(t, c, scheme+"://"+test.host+":"+port+"/", long)
				wantFailure(t, a, hook.FailureBlocked, "the address "+test.shown+" is "+test.kind+": the operator has not listed it in allow-private-targets")
			})
		}
	}
	if n := r.connections.Load(); n != 0 {
		t.Errorf("%d connections", n)
	}
}
