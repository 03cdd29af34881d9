package egress

import (
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"
)

// ownEvery is how long the machine's own addresses are believed: they change with its network, and asking for them costs about as much
// as a dial.
const ownEvery = 10 * time.Second

// own knows the addresses of this machine. A service that its firewall hides from everybody else can be reached at them from here.
type own struct {
	// list returns them: [net.InterfaceAddrs], except in tests.
	list func() ([]net.Addr, error)
	seen atomic.Pointer[ownSeen]
}

type ownSeen struct {
	at        time.Time
	addresses []netip.Addr
}

// has reports whether an address is one of this machine's. Where the system does not say, it is none: a machine that hides its network
// from its programs must not lose all its receivers for that.
func (o *own) has(a netip.Addr) bool {
	seen := o.seen.Load()
	if now := time.Now(); seen == nil || now.Sub(seen.at) >= ownEvery {
		seen = &ownSeen{at: now, addresses: o.read()}
		o.seen.Store(seen) // two at once read the same
	}
	return slices.Contains(seen.addresses, a.Unmap().WithZone(""))
}

func (o *own) read() []netip.Addr {
	list, err := o.list()
	if err != nil {
		return nil
	}
	var addresses []netip.Addr
	for _, a := range list {
		if network, ok := a.(*net.IPNet); ok {
			if address, ok := netip.AddrFromSlice(network.IP); ok {
				addresses = append(addresses, address.Unmap())
			}
		}
	}
	return addresses
}
