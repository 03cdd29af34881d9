// Package client calls the HTTP API of Hookswitch from Go. Its types and calls are generated from openapi.json, which is
// generated from the server: what compiles against this package is what the server reads and writes.
//
// [Dial] makes a client that sends a key and names a contact centre with every request. It guarantees that an answer of
// 400 and more never looks like a result: every call of such a client returns it as an error, which errors.As turns into
// a [*Problem] with the status, the words of the server and every wrong field. Any other error means that there was no
// complete answer, so that a change may or may not have been made; repeating it under the same Idempotency-Key is safe.
//
// Nothing is retried here, and nothing is waited for longer than the context allows.
//
// A nil field is left out of a request. The one thing that these types cannot say is null, by which a PATCH brings a
// default back: for that there is [ClientWithResponses.UpdateWebhookWithBodyWithResponse], which sends any JSON.
package client

//go:generate go tool -modfile=../tools/go.mod oapi-codegen -config oapi-codegen.yaml -o generated.go openapi.json
