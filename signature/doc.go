// Package signature makes and verifies the signatures of a webhook POST, and tells why a verification failed.
//
// It guarantees to senders that a signature is made over exactly the bytes given, and that a Signer may be used from
// many goroutines. It guarantees to receivers that Verify, VerifyHub and VerifyStandard return nil only if one of the
// secrets made the signature over exactly this body; that an empty secret never verifies anything; that every secret
// is tried and every comparison takes constant time; and that nothing a sender can put into a header or a body makes
// them panic or work without bound.
//
// Signing cannot fail. Verification fails with an *Error, whose Reason is one of the constants of this package and can
// be asked for with errors.Is; Explain turns it into a paragraph for the person who has to repair it. The Detail of an
// Error describes what was received and never holds a secret or the signature that would have been right.
//
// Three schemes are known, and one POST may carry all of them:
//   - HubHeader: HMAC-SHA1 of the body in hex, after "sha1=". It is the one of the Genesys Interactions Webhook, and
//     the name and the form are those of W3C WebSub, section "Authenticated Content Distribution".
//   - Hub256Header: HMAC-SHA256 of the body in hex, after "sha256=".
//   - StandardHeader: HMAC-SHA256 of id, timestamp and body in base64, after "v1,". It is that of Standard Webhooks 1.0.
//
// Only the third covers the time, so only VerifyStandard refuses an old POST that somebody recorded and sent again. A
// receiver that verifies one of the others is protected against that by dropping duplicates.
package signature
