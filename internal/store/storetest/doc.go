// Package storetest opens stores for tests, those of the store itself and those of the packages that use one. It guarantees
// that a test gets a real database of its own, empty and already running, that the store is stopped and closed when the
// test ends, and that a test given to [Each] runs on every engine that the store supports.
//
// Whatever fails while a store is opened, stopped or closed fails the test. [Faulty] makes commits fail, before they are
// made or after, so that a caller's behaviour on a broken database can be tested without breaking one.
package storetest
