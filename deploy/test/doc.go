// Package deploy proves what can be proven of deploy/ without a container runtime or a cluster: nothing in it is ever run here.
//
// It guarantees to whoever changes the folder: the Dockerfile parses and BuildKit's own linter has nothing to say about it; the
// compose file obeys the Compose specification; the Helm chart is linted without a warning, and with every set of values that
// chart_test.go lists it renders to objects that decode into their Kubernetes types with no field left over. Beyond form, the
// things agree with each other and with the program: selectors with labels, references with what they refer to, probes with
// routes, grace periods with drains, variables with the keys in internal/config/default.yaml. Secrets are in Secrets only.
//
// To whoever is woken at night: each alert rule fires in a unit test and stays silent in another, says what to do next and links
// to a heading that there is; the dashboard asks the questions of docs/metrics.md in their order. Prometheus's own promtool reads
// every expression, and each names metrics that are documented.
//
// No rule holds vacuously: each is first shown a copy of the files with one fault in it, and has to find that.
//
// The package is a module of its own, so that the program's dependencies stay free of Kubernetes. It asks no network for
// anything but the modules. What it cannot see: whether an image exists and starts, and what an admission controller demands.
package deploy
