// Package sealtest holds a master keyset for tests. It guarantees that all processes of all tests have the same one, so that what one of them
// has sealed opens for the others. It protects nothing.
package sealtest
