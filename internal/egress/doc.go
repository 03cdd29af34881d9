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
// Bytes. At most [hook.ResponseBytesMax] of the body are read. What follows is not drained: the connection is closed (the
// HTTP/2 stream is reset), so a receiver that sends 100 MB has sent most of them to nobody. Response headers are bounded
// by responseHeaderBytesMax, what HTTP/2 buffers unread by streamBufferBytes and connectionBufferBytes. Nothing is
// decompressed.
//
// Addresses. What is checked is the address about to be connected to, after DNS, for each address that a name has and at
// each dial, so a name that changes its mind between check and use gains nothing. Everything that is not public is
// refused ([hook.FailureBlocked]) unless [Options].AllowPrivate contains it: loopback, private, link-local, unspecified,
// multicast, shared (CGNAT), documentation and other special ranges, the metadata addresses of the clouds, and IPv6
// forms that carry an IPv4 address (mapped, 6to4, Teredo, NAT64; a NAT64 address of the well-known prefix is judged by
// the IPv4 address within). An allowed IPv4 prefix also allows its mapped form. Plain http is refused unless
// AllowPrivate contains the address. A pooled connection was checked when it was dialled. [Client.Check] applies the same
// rules to a URL as it is written, so that one without any hope is refused before anything is sent; it protects nothing.
//
// Requests. POST, to http and https only, no userinfo, no redirect ever followed, no proxy (not from the environment
// either: a proxy would dial addresses that nobody checked), TLS 1.2 or newer, certificates verified. The headers given
// are sent as they are, with Host and Content-Length and no others.
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
// Connections are kept alive and shared by all webhooks of a host: HTTP/1.1, or HTTP/2 where TLS negotiates it. A
// receiver may close an idle connection just when it is used again. A post that finds its reused connection dead before a
// byte of response came is repeated once, on another connection, within the same timeout: delivery is at least once, and
// the innocent race would otherwise count as an attempt. A fresh connection that dies is not repeated.
package egress
