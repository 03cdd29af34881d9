// Package browsertest gives tests a real browser, the chromium that scripts/setup installs. Only tests use it.
//
// What it guarantees to a test. A [Page] is a tab of its own with cookies of its own, in the one browser that the tests of a
// process share; it is closed when the test ends. The test fails by itself when the page throws, writes an error to the
// console, breaks its Content-Security-Policy, asks anybody but its own server for something, or is answered 4xx or 5xx
// ([Page.Expect] names what is meant to be). Elements are found as assistive technology finds them, by role and accessible
// name. Whatever a page does later is waited for, up to a limit: a test never sleeps.
//
// What it guarantees to the machine. The browser starts at first use, with an empty profile in the temporary folder, resolves
// no name of any host, and is ended, with its profile, by [Main]; on Linux it never outlives the process.
//
// What may fail: without chromium or the npm packages of internal/console/browser the tests fail and name scripts/setup. A
// Page belongs to the goroutine of its test; tests with pages of their own may run in parallel.
package browsertest
