package egress

import (
	"net/netip"
	"strconv"
	"testing"

	"github.com/hookswitch/hookswitch/internal/egress/egresstest"
	"github.com/hookswitch/hookswitch/internal/hook"
)

// What is not for the proxy is reached without it, whatever its name, and whether the proxy is there or not; all else goes through it, and
// what the operator does not allow stays refused.
func TestDirectIsNotProxied(t *testing.T) {
	eachScheme(t, func(t *testing.T, scheme string) {
		p, o := startProxy(t, scheme, egresstest.Behaviour{})
		names := &nameServer{answers: func(int64) []netip.Addr { return addresses("127.0.0.1") }}
		through := proxying(t, o, func(o *Options) {
			o.Direct = []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32"), netip.MustParsePrefix("10.0.0.0/8")}
		})
		direct := proxying(t, o, func(o *Options) {
			o.Direct, o.Resolver = []netip.Prefix{netip.MustParsePrefix("::ffff:127.0.0.0/104")}, names.resolver(t)
		})
		plain := listen(t, answer(ok))
		port := strconv.Itoa(int(netip.MustParseAddrPort(plain.address).Port()))
		server, _ := secureServer(t, true, nil, nil)

		wantFailure(t, send(t, through, plain.url(), long), hook.FailureNone, "")
		if n := len(p.Asked()); n != 1 {
			t.Errorf("the proxy was asked %d times", n)
		}
		wantFailure(t, send(t, through, "https://10.1.2.3/", long), hook.FailureBlocked, "the address 10.1.2.3 is private: the operator has not listed it in allow-private-targets")
		wantFailure(t, send(t, through, "http://127.0.0.2:"+port+"/", long), hook.FailureRefused, "connection refused: 127.0.0.2:"+port)
		p.Down()
		wantFailure(t, send(t, direct, "http://receiver.example:"+port+"/", long), hook.FailureNone, "")
		wantFailure(t, send(t, direct, server.URL, long), hook.FailureTLS, "the certificate is signed by an unknown authority") // no root of its own: TLS is reached all the same
		wantFailure(t, send(t, through, server.URL, long), hook.FailureProxy, "the egress proxy cannot be reached: connection refused")
		if n := len(p.Asked()); n != 1 {
			t.Errorf("the proxy was asked %d times", n)
		}
	})
}
