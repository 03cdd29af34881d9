// Package receiver is the receiving end of the Interactions Webhook: an http.Handler that bounds the body, verifies
// its signature, drops duplicates and calls your function once for every event of every interaction.
//
// What it guarantees:
//   - Your function is called only with events from a body that one of the secrets signed.
//   - 200 is answered only if your function has returned nil for every event in the body, now or in an earlier POST.
//   - While your function handles an event, it is not called with the same event again; a duplicate that arrives
//     meanwhile is answered 503 with Retry-After, because how the first one will end is not known yet.
//   - After your function returned nil it is not called with the same event again, as long as Seen remembers it. After
//     an error or a panic it is called again when the sender delivers again.
//   - A sender whose signature is not verified learns nothing but a reason code, and can neither make the handler read
//     more than BodyBytesMax nor use more than a twentieth of a processor for explanations for long.
//
// An event is identified by the id of the interaction and the kind of event: an interaction has each event at most once.
// In memory that knowledge ends with the process, so a function that must not act twice keeps it in its own database,
// by a Seen of its own. Between your function's last step and Done the process can die: then the event is delivered
// once more. At-least-once cannot be narrowed further than that without one transaction for both, which a Seen and a
// function that share a database can have.
//
// What may fail, and how it is answered:
//
//	405  not a POST
//	413  body larger than BodyBytesMax
//	401  signature missing, malformed or wrong (signature.Error)
//	400  body cannot be read, or is not of the contract (interaction.ParseError)
//	503  an event is being handled already (ErrBusy), or Seen is not available
//	500  your function failed, or Seen could not note its success
//
// Every answer but 200 makes the sender deliver again. Problems are application/problem+json (RFC 9457). The full error
// goes to OnReject, never into an answer.
//
// Rotation of the secret: when the sender has a next one, and before it promotes that, run the handler with both in
// Secrets; a body that either of them signed is accepted, and every one of them is tried in constant time. After the promotion
// Delivery.Secret says that the new one signs. A minute later, when no POST of before is on its way, run the handler with
// the new one alone. Nothing is refused meanwhile, and the sender delivers again what comes while the program restarts.
//
// The handler starts no goroutine and sets no deadline: give the http.Server a ReadTimeout, and make your function
// return well within the sender's request timeout, which the context of the call does not know. It is cancelled when
// the sender gives up.
package receiver
