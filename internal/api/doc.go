// Package api is the HTTP surface of Hookswitch: it reads requests, asks the store, and writes answers. It keeps nothing
// of its own; a server can be made, thrown away and made again around the same store.
//
// # What it guarantees
//
//   - A 2xx answer to a change means that the store has committed it. Nothing is answered early.
//   - A 4xx answer means that nothing was stored. It is a problem document (RFC 9457), and where fields were wrong it names
//     every wrong field at once: what the schema forbids and what the domain forbids, each place once, the values of
//     secrets and of headers never.
//   - A 5xx answer says nothing of the inside. A 500 carries an instance, a URN that the log repeats beside the cause; a 503
//     carries Retry-After.
//   - Every route asks for a key, except those whose row in the route table says open: /healthz and /readyz tell no more
//     than that; /openapi.json and /docs are the same on every installation and hold no secret. /metrics speaks of
//     all contact centres and asks for the admin key.
//   - One request reads and changes one contact centre: that of its key, or the one that an admin key names in x-ccid.
//   - Sizes and waits are bounded by named constants.
//   - The OpenAPI document is made from the same types that read and write the JSON.
//
// # Idempotency-Key
//
// Every POST takes an Idempotency-Key of 1 to 255 printable ASCII characters. The first answer is kept in the transaction
// of the change for 24 hours; the same request with the same key gets that answer again, byte for byte, with
// Idempotency-Replayed: true, conflicts included. The same key with another method, path or body is 422. An answer that is
// not a verdict on the change (400, 401, 413, 422, 5xx) is not kept. There is one exception: POST /v1/webhooks/{id}/test
// changes nothing, so there is no transaction to keep an answer in; its key is checked and then ignored, and each call
// sends one test. The kept answer to the creation of a webhook holds its secret, as the webhook's own record does.
//
// # How a body is read
//
// A body is decoded once into its Go type, and the domain judges it. Only when something is wrong is it looked at again,
// slowly: every field against the document's schema, names in their exact case, so that the answer can name all faults.
// A body that the document forbids is therefore never accepted, and a good one is parsed once. A null stands for an absent
// field, and in a PATCH for the default.
//
// # What may fail
//
// [New] fails never. A handler returns an error and the table in problem.go decides what the caller sees. Waiting requests
// (long polls and event streams) end when the caller goes, when their time is over, or at [Server.Drain].
//
// # What the http.Server around it must do
//
// It bounds the time to read a request and to write its answer, and connections; package gate does. A stream sets a deadline for each of its
// writes, in place of the server's. Before Shutdown it calls [Server.Drain].
package api

//go:generate go run ./apigen ../../client/openapi.json
