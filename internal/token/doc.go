// Package token gets bearer tokens for posts whose webhook is authorized by OAuth2 client credentials (RFC 6749, section 4.4; RFC 6750),
// and sends the posts with them. It guarantees to the delivery engine that one [Sender.Send] ends within the post's timeout, whatever the
// authorization server does, and says in one [hook.Answer] what came of it.
//
// # What is guaranteed
//
// Once for all. A token is asked for by the first post that needs it; those that come meanwhile wait for it, and those that come later use
// it, whatever webhook they are of: tokens are kept by token endpoint, client, secret, scopes and audience, so a secret that was rotated is
// used at once. A token is renewed before it expires: margin before, or a quarter of its life where that is less. One that says nothing of
// its life (expires_in, which RFC 6749 recommends only) is used for lifeUnknown, and none for longer than lifeMax. While one is renewed the
// others go on with the old one, and so does the first when the renewal fails.
//
// A target like any other. The token endpoint is asked through the sender of all posts: its address is checked after DNS, no redirect is
// followed, bytes and time are bounded. It is asked within the timeout of the post that asks, and for half of it at most where an old token
// would still do. A webhook's own TLS counts for the token endpoint only where that has the same scheme, host and port as the webhook's URL:
// a client's certificate and a private authority are for the receiver that they were given for.
//
// Not hammered. A failure is kept for failureKept, or for as long as the server asks for with Retry-After, up to failureKeptMax: posts that
// come meanwhile fail with it at once. A time that was up counts only for posts that have no more time. A receiver's 401 drops the token
// that was used, if it is older than youngAge, and the post is repeated once with a fresh one, within the same timeout; a receiver
// that goes on answering 401 costs the authorization server one request in that time. A 401 acknowledges nothing, so the repetition is no
// delivery twice.
//
// Bounded. At most keptMax tokens are kept; the one that was used least recently makes room.
//
// # What may fail
//
// A post that gets no token fails as [hook.FailureToken] with plain words: the status and the error code of the authorization server
// (RFC 6749, section 5.2), where it is one that is known, or why it was not reached. Nothing else that the server said is repeated, because
// it knows the secret. The operator's own proxy that failed stays [hook.FailureProxy]. Neither the client's secret nor a token is in any
// error, log or metric, and nothing of them is stored.
//
// golang.org/x/oauth2/clientcredentials is not used: it asks through an http.Client, follows redirects, tries two styles of authentication
// and keeps no failures.
package token
