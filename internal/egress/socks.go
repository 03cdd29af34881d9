package egress

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"

	"github.com/hookswitch/hookswitch/internal/hook"
)

// The numbers of SOCKS 5 (RFC 1928; the login is RFC 1929).
const (
	socksVersion      = 5
	socksNoLogin      = 0
	socksLogin        = 2
	socksLoginVersion = 1
	socksConnect      = 1
	socksIPv4         = 1
	socksName         = 3
	socksIPv6         = 4
)

// greet agrees on how to log in, and logs in. No receiver is needed for that.
func (p *proxy) greet(conn net.Conn) error {
	method := byte(socksNoLogin)
	if p.User != "" {
		method = socksLogin
	}
	answer, err := exchange(conn, []byte{socksVersion, 1, method})
	switch {
	case err != nil:
		return err
	case answer[0] != socksVersion:
		return &proxyError{"does not speak SOCKS 5"}
	case answer[1] != method && method == socksNoLogin:
		return &proxyError{"wants a user and a password: give them in egress-proxy"}
	case answer[1] != method:
		return &proxyError{"takes no user and password: leave them out of egress-proxy"}
	case method == socksNoLogin:
		return nil
	}
	password := p.Password.Reveal()
	login := append([]byte{socksLoginVersion, byte(len(p.User))}, p.User...)
	login = append(append(login, byte(len(password))), password...)
	if answer, err = exchange(conn, login); err != nil {
		return err
	}
	if answer[1] != 0 {
		return &proxyError{"refuses the user and password of egress-proxy"}
	}
	return nil
}

// exchange sends a message of the greeting and returns the two bytes of its answer. A timeout here is the proxy's: it has nobody to wait for.
func exchange(conn net.Conn, message []byte) (answer [2]byte, err error) {
	if _, err = conn.Write(message); err == nil {
		_, err = io.ReadFull(conn, answer[:])
	}
	switch {
	case err == nil:
		return answer, nil
	case isTimeout(err):
		return answer, &proxyError{"does not answer"}
	}
	return answer, &proxyError{"broke the connection before it had answered: does it speak SOCKS 5?"}
}

// askSOCKS has a SOCKS proxy connect to an address.
func (p *proxy) askSOCKS(conn net.Conn, to netip.AddrPort) error {
	kind := byte(socksIPv6)
	if to.Addr().Is4() {
		kind = socksIPv4
	}
	request := append([]byte{socksVersion, socksConnect, 0, kind}, to.Addr().AsSlice()...)
	if _, err := conn.Write(binary.BigEndian.AppendUint16(request, to.Port())); err != nil {
		return fmt.Errorf("ask the proxy: %w", err)
	}
	var answer [4]byte
	if _, err := io.ReadFull(conn, answer[:]); err != nil {
		return fmt.Errorf("read the proxy's answer: %w", err)
	}
	if answer[0] != socksVersion {
		return &proxyError{"does not speak SOCKS 5"}
	}
	if answer[1] != 0 {
		return refusalSOCKS(answer[1])
	}
	return skipBound(conn, answer[3])
}

// skipBound reads the address that the proxy connects from, which nobody wants to know.
func skipBound(conn net.Conn, kind byte) error {
	var size int
	switch kind {
	case socksIPv4:
		size = net.IPv4len
	case socksIPv6:
		size = net.IPv6len
	case socksName:
		var length [1]byte
		if _, err := io.ReadFull(conn, length[:]); err != nil {
			return fmt.Errorf("read the proxy's answer: %w", err)
		}
		size = int(length[0])
	default:
		return &proxyError{"does not speak SOCKS 5"}
	}
	if _, err := io.ReadFull(conn, make([]byte, size+2)); err != nil { // and the port
		return fmt.Errorf("read the proxy's answer: %w", err)
	}
	return nil
}

// refusalSOCKS says who is to blame for a reply (RFC 1928, section 6); the package's documentation says why.
func refusalSOCKS(reply byte) error {
	const words = "the egress proxy got no connection to the receiver: "
	switch reply {
	case 2:
		return &targetError{hook.FailureBlocked, "the egress proxy does not allow the receiver: not allowed by its rules"}
	case 3:
		return &targetError{hook.FailureRefused, words + "network unreachable"}
	case 4:
		return &targetError{hook.FailureRefused, words + "host unreachable"}
	case 5:
		return &targetError{hook.FailureRefused, words + "connection refused"}
	case 6:
		return &targetError{hook.FailureTimeout, words + "TTL expired"}
	case 8:
		return &targetError{hook.FailureRefused, words + "address type not supported"}
	}
	return &proxyError{fmt.Sprintf("failed: its reply is %d", reply)}
}
