// Package oracle has the deliveries of the whole program checked by verifiers that are not ours: it holds tests and nothing
// else.
//
// What its tests guarantee to receivers: software which others wrote, and which knows nothing of Hookswitch, accepts what
// the server really sends and refuses it when the secret is another one or the body was changed on its way. These are the
// webhook server that Debian packages as webhook (adnanh/webhook, rules payload-hmac-sha1 and payload-hmac-sha256), the npm
// package x-hub-signature, and the Go library of Standard Webhooks.
//
// What may fail: without one of these programs the tests fail and name scripts/setup, which installs them.
package oracle
