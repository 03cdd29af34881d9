// Package console is the web console of Hookswitch: pages on which operators see what is going on, understand what failed and why, and
// repair it. It reads requests of browsers, asks the store, and writes HTML. Like package api it keeps nothing of its own: a page is the
// same on every node.
//
// # What it guarantees
//
//   - Every page works without JavaScript, but for live updates. Forms are plain forms; a POST that changed something ends in a redirect, so
//     that reloading repeats nothing, and each form carries an Idempotency-Key of its own ([store.Once]), so that sending it twice
//     does not either.
//   - A page shows and changes one contact centre, the one in its path, and only what the caller's key or token permits. What is another's
//     looks like what does not exist.
//   - Nothing that a receiver, a contact or another user wrote is ever markup: html/template escapes it, and the Content-Security-Policy
//     allows no script, style or connection but the console's own.
//   - A secret is in no page but the one that answers its making, and in no URL, cookie or log.
//   - A page makes no statement that grows with the store: lists are those of package store, which look at a bounded part of it.
//   - Sizes, waits and the number of live pages are bounded by named constants.
//
// # Who is let in
//
// A person signs in with an API key, or, where an issuer is configured, with OpenID Connect. The session is a cookie that holds who that is,
// sealed under the store's master keyset: any node can open it, and none has to remember it. It is looked at in every request, and in
// every update of a live page, so that it ends with its key. Signing out takes the cookie from the browser; whoever kept a
// copy of it is let in until it ends, or until its key is disabled.
//
// # How a page is made
//
// The route table in server.go has a row for each page and each form. A handler gets a [call], asks the store and returns an
// [answer]: a template with its view, or where to go next. Templates are in templates/, one for each page and in templates/parts what
// pages share. A page whose row says that it is live defines a template "live", and the region that shows it has the attribute data-live: the
// server makes that part anew every few seconds and sends it as a server-sent event when it has changed (HTML, "Server-sent
// events"); the script in browser/ puts it in place of the old one.
//
// # What may fail
//
// [New] fails only where a template does not parse, which a test excludes. A handler returns an error, and the table in problem.go decides which
// page the person sees. Live pages end at [Server.Drain].
package console

//go:generate go tool -modfile=../../tools/go.mod esbuild --bundle --minify --charset=utf8 --target=es2022 --log-level=warning --outdir=static browser/console.ts browser/console.css
