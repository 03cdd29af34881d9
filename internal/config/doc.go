// Package config says how the server is configured. It guarantees that a [Config] which [Load] returns is complete and
// within every bound, so that nobody after it checks a key again.
//
// A key is taken from a flag, else from the environment, else from a YAML file, else from the default file. The default
// file is embedded, has every key and documents it: flags, environment names, help and the reference in
// docs/configuration.md are all made from it and from the one table of keys in this package, and tests prove that the two
// agree. A new key is therefore a row of the table, its field and its stanza in the default file.
//
// Load fails with an [Error] that names all problems at once, each with the place that the value came from (the flag, the
// variable, or file and line) and how to mend it. The value of a secret key is in no error. The package reads one file
// and nothing else: flags and variables are handed in.
package config
