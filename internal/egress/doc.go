// Package egress talks to hostile URLs. It guarantees to the delivery engine that one [Client.Send] ends within the
// post's timeout, keeps at most 4 KiB, reaches no address that the operator does not allow, and always says in one
// [hook.Answer] what came of it. It judges nothing: which status acknowledges is for [hook.Success] to say.
//
// # What is guaranteed
//
// Time. The post's timeout bounds everything: name, connection, TLS handshake, request, response headers, body. A dial
// outlives its post by nothing: it carries the same deadline, although [http.Transport] detaches it. When the time is up,
// an HTTP/1.1 connection is closed and an HTTP/2 stream is reset.
//
// Bytes. At most [hook.ResponseBytesMax] of the body are read, or what the post itself allows. What follows is not drained: the connection is closed (the
// HTTP/2 stream is reset), so a receiver that sends 100 MB has sent most of them to nobody. Response headers are bounded
// by responseHeaderBytesMax, what HTTP/2 buffers unread by streamBufferBytes and connectionBufferBytes. Nothing is
// decompressed.
//
// Addresses. What is checked is the address about to be connected to, after DNS, for each address that a name has and at
// each dial, so a name that changes its mind between check and use gains nothing. Everything that is not public is
// refused ([hook.FailureBlocked]) unless [Options].AllowPrivate contains it: loopback, private, link-local, unspecified,
// multicast, shared (CGNAT), documentation and other special ranges, the metadata addresses of the clouds, the addresses of
// this machine's own interfaces, those with a zone, and IPv6 forms that carry an IPv4 address (mapped, 6to4, Teredo, NAT64,
// ISATAP; a NAT64 address of the well-known prefix is judged by the IPv4 address within, one of a network's own prefix cannot
// be told from others, and its gateway must refuse what is private). An allowed IPv4 prefix also allows its mapped form.
// Plain http is refused unless AllowPrivate contains the address, and so are ports of other protocols (badPorts). A number that
// is an address in another spelling than four decimal numbers is refused as it is. A pooled connection was checked when it was
// dialled. [Client.Check] applies the same rules to a URL as it is written, so that one without any hope is refused before
// anything is sent; it protects nothing.
//
// Requests. POST, to http and https only, no userinfo, no redirect ever followed, no proxy from the environment. TLS 1.2 or
// newer, with forward secrecy and authenticated encryption, certificates verified. The headers given are sent as they are,
// with Host and Content-Length and no others.
//
// Identities. A webhook's own certificate and roots ([hook.TLS]) are for its posts alone: each different TLS has a transport
// with its own connections and its own sessions. Webhooks with the very same texts share one. When a webhook's TLS changes, its
// old connections are closed after idleTimeout without use. A certificate that has expired is told and not sent.
//
// # Through a proxy
//
// With [Options].Proxy, the name is resolved and each address checked here, as without; then the proxy is asked to connect to an
// address that passed, by its number, one after the other within the post's time. The proxy resolves nothing, so it cannot be
// led astray by a name. http goes through a tunnel too. TLS is spoken with the receiver through the tunnel: a proxy that
// connects elsewhere has no certificate for it. Addresses in [Options].Direct are dialled from here, as if there were no proxy. The proxy's own address is the operator's, and is not guarded.
//
// Who is to blame decides whether a delivery uses up an attempt ([hook.FailureProxy]: it does not). Blaming the receiver for a proxy costs
// attempts, of which there are days; blaming the proxy for a receiver lets a dead one wait for ever, with nobody told. So the proxy is
// to blame for what is surely its own, and the receiver for what the proxy says about it:
//
//   - The proxy: it cannot be reached, its TLS or certificate fails, it wants another login (407), it breaks off or speaks
//     nonsense, SOCKS replies 1 (general failure) and 7, and every HTTP status that is none of those below.
//   - The receiver: 502, 503 and 504, because the common forward proxies say that of a receiver that refuses (Squid and HAProxy answer 503), and
//     the SOCKS replies 3 to 6 and 8 (unreachable, refused, TTL, no IPv6).
//   - The operator's rules, which is [hook.FailureBlocked]: 403 and SOCKS reply 2.
//   - A Proxy-Status header (RFC 9209) knows better than any status, and goes before it.
//   - Silence after the proxy was asked is the receiver's: one that swallows packets looks so, and the proxy has just proved with TLS or
//     SOCKS's greeting that it is there. Plain HTTP has no greeting, so such a proxy is asked for itself in the last part of the
//     post's time; if it does not answer that either, it is to blame. Silence before that is the proxy's.
//   - What breaks after the tunnel is open is the receiver's, as it would be without a proxy.
//
// # When the status counts
//
// A response counts when it is complete: status line, headers, and the body to its end or to the first 4 KiB, whatever
// comes first. A 200 whose body breaks off or stalls before that is a failure (broken, timeout), because a receiver that
// died while it answered has perhaps not done its work, and a delivery too many is harmless where one too few is not.
// The answer then still carries the status, for the eye. A body longer than 4 KiB is not waited for: the status decides.
//
// # What may fail
//
// Every failure has a class and a text in plain words, at most [hook.ErrorBytesMax] bytes of one line, which never holds
// the URL's path or query. It may hold the address that the host's name resolved to.
//
// When the caller's own context ends, the receiver is not to blame: the answer is [hook.FailureBroken] with the text
// [Cancelled]. A caller checks its context: if it is done and the answer is a failure, the attempt is not recorded.
//
// # Connections
//
// Connections are kept alive and shared by all webhooks of a host that have no TLS of their own: HTTP/1.1, or HTTP/2 where TLS negotiates it. A
// receiver may close an idle connection just when it is used again. A post that finds its reused connection dead before a
// byte of response came is repeated once, on another connection, within the same timeout: delivery is at least once, and
// the innocent race would otherwise count as an attempt. A fresh connection that dies is not repeated.
package egress
