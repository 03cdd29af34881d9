// Package bearer judges what an OpenID Connect issuer has signed. It guarantees to the API that [Verifier.Verify] returns a
// [hook.Caller] only for a token that the configured issuer made for this server, that is valid now, and whose claims name a contact centre
// that exists; and to internal/signin that [Issuer.Token] and [Issuer.Caller] do the same for a token that says who signed in, of which it
// judges the kind itself. Both share an [Issuer], so that it is asked once for both.
//
// # What is checked
//
//  1. The form: one JWT of three parts, at most tokenBytesMax long, signed with an asymmetric algorithm (RSA, RSA-PSS, ECDSA or Ed25519).
//     none and HS256, HS384, HS512 are refused whatever the issuer says, and so is an algorithm that the key is not for: a public key is
//     never a shared secret (RFC 8725, section 3.1).
//  2. The signature, by a key of the issuer. Keys come from the issuer's own documents alone; nothing in a token names where to find one.
//  3. The issuer (exactly the configured text), the audience, the expiry, which must be there, and the time before which the token is not
//     valid: each within skewMax, as clocks differ.
//  4. The kind of a bearer token, as far as it can be told: a type (typ) for another purpose, ID tokens, refresh tokens and logout tokens are refused.
//  5. The claims: see claims.go. A token without the contact centre's claim, or with one that does not exist, is refused. Permissions that
//     are unknown are left out, so a token never permits more than it says.
//
// # The issuer
//
// It is asked when the first token comes, not at the start, so that a server starts while its issuer is away. Its configuration
// (OpenID Connect Discovery 1.0, section 4) and its keys (RFC 7517) are kept: read anew after keysFreshFor, and when a token names a key
// that is not there, but then not more often than every reloadPause, so that tokens with made-up keys cannot make this server a
// burden to the issuer. One read runs at a time; those who need it wait for it, at most waitersMax of them. While reading fails, the
// keys that are known go on to be used for keysAgeMax, and the pause between attempts grows to failurePauseMax.
//
// Requests to the issuer go to https only (http where the issuer is on this machine), over TLS 1.2 or newer; each ends within a
// time, reads at most bodyBytesMax, and follows redirects within the host that was asked alone.
//
// # What may fail
//
// [*hook.TokenError] is a bad token: it will not become better, and its reason holds nothing of what was sent. [*hook.UnjudgedError] is a token
// that cannot be judged now. Any other error is that of [Options].Center, or of the caller's context. Whether the issuer answers is
// logged when it changes, not each time.
//
// # What is kept
//
// The verdict on a good token is kept, by its SHA-256, until the token expires, for cachedFor at most: a token of which the issuer has
// dropped the key is refused after keysFreshFor and cachedFor at the latest, unless the issuer is away. A bad one is judged each time.
// The tokens themselves are neither kept nor logged.
package bearer
