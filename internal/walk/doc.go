// Package walk proves the console of the real program in a real browser: it holds tests and nothing else.
//
// What its tests guarantee to everybody who uses the console, on both stores. `hookswitch serve` is walked as a person walks
// it: one signs in, every page that the navigation leads to opens, and so do those that they lead to. In each of them, in light
// and in dark colours and on a phone, axe-core finds nothing, nothing is beside the window, zoomed to 400 % either, Tab reaches whatever can be
// acted on and shows where one is; no page throws, breaks its own Content-Security-Policy or asks anybody but its server; and
// all of it holds with scripts forbidden too. A page that is added later is walked without being named here.
//
// The walk leaves a picture of each page, in each look, in the folder screenshots at the root, which git ignores.
//
// What may fail: without chromium, PostgreSQL or the npm packages of internal/console/browser the tests fail and name
// scripts/setup, which installs them.
package walk
