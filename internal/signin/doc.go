// Package signin signs people in with an OpenID Connect issuer. It guarantees to the console that [Flow.Finish] returns a [hook.Caller] only
// where the configured issuer has just said who the person at this very browser is, to this server, and names by its claims a contact centre
// that exists and at least one permission.
//
// # How
//
// The authorization code flow (OpenID Connect Core 1.0, section 3.1) with PKCE (RFC 7636, S256). [Flow.Begin] says where the browser is to go,
// and what is to be kept meanwhile for that browser alone: a random state, a random nonce and PKCE's verifier. Whoever keeps it has to
// see that nobody can read or change it. [Flow.Finish] takes what was kept, and the query with which the issuer sent the browser back.
//
// # What is checked
//
//  1. What was kept is there, is at most pendingFor old, and its state is the answer's: an answer that somebody else began, for example an
//     attacker who wants another to work in the attacker's account, is refused before anything of it is used. No parameter is there twice.
//  2. The answer is of this issuer, where it says of whom it is; it must say so, if the issuer announces that (RFC 9207).
//  3. The code is exchanged once, with PKCE's verifier, at the token endpoint that the issuer names: a code that somebody else got, or that was
//     used before, is refused by the issuer.
//  4. The ID token: signature, issuer, expiry as internal/bearer does it; its audience is the client id, alone or with azp (OpenID Connect
//     Core 1.0, section 3.1.3.7); its nonce is the one that was sent; and it is of the kind of an ID token, as far as that can be told.
//  5. The claims, as those of bearer tokens. Who has no contact centre or no permission is told which claim is missing.
//
// The access token is not used, and none is kept: neither it nor a refresh token. Nothing is asked of the issuer later, so a person
// stays signed in for as long as the ID token is valid, at most sessionMax: what an administrator of the issuer takes away is gone here by then.
//
// # What may fail
//
// [*hook.SignInError], which says of what kind the obstacle is and tells it to the person. Any other error is that of the store, which was asked
// for the contact centre, or of the caller's context. Codes, tokens, verifiers and the client's secret are in no error.
//
// # What the issuer has to bear
//
// Its configuration and keys are those of [bearer.Issuer], read seldom and kept. For each sign-in one code is exchanged; at most exchangesMax at the
// same time, within the bounds on time, bytes and redirects of [bearer.Issuer.Client]. The issuer may be away when the server starts.
package signin
