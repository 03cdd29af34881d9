package egress

import (
	"errors"
	"net"
	"net/netip"
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
		{name: "discard", address: "100::1", secure: "not public"},

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
