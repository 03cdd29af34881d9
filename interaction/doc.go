// Package interaction is the wire contract between a contact centre and a third-party system: the JSON body of the
// Interactions Webhook, its header names and the answer of a receiver.
//
// It guarantees to senders that the same Payload always gives the same bytes: the fields of the contract in their
// fixed order, nothing else, no HTML escaping, and valid UTF-8 whatever the strings hold. It guarantees to receivers
// that Parse accepts a body if and only if every field of the contract is present once and well-formed, that fields
// which a newer sender may add are ignored, and that a refused body is explained by one ParseError which names every
// wrong field at once.
//
// Nothing here fails except Parse and the UnmarshalJSON that calls it. Nothing here does I/O, reads the clock or
// keeps state, so everything may be used from many goroutines.
//
// The contract is that of the Genesys Multicloud CX Digital Channels Interactions Webhook, except where a comment says
// that a rule is ours.
package interaction
