package hook_test

import (
	"testing"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// One customer's IPv6 network is one address, and an IPv4 address is itself however it is written.
func TestNetworkOf(t *testing.T) {
	for _, same := range [][2]string{
		{"[2001:db8:1:2::1]:80", "[2001:db8:1:2:ffff:ffff:ffff:ffff]:9"}, {"192.0.2.1:1", "[::ffff:192.0.2.1]:2"}, {"[fe80::1%eth0]:1", "[fe80::2%eth1]:1"}, {"", "@"},
	} {
		if a, b := hook.NetworkOf(same[0]), hook.NetworkOf(same[1]); a != b {
			t.Errorf("%s is %v, %s is %v", same[0], a, same[1], b)
		}
	}
	for _, other := range [][2]string{{"[2001:db8:1:2::1]:80", "[2001:db8:1:3::1]:80"}, {"192.0.2.1:1", "192.0.2.2:1"}} {
		if a, b := hook.NetworkOf(other[0]), hook.NetworkOf(other[1]); a == b {
			t.Errorf("%s and %s are %v", other[0], other[1], a)
		}
	}
}
