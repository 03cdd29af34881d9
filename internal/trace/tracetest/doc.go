// Package tracetest is a collector of traces for tests: it takes OTLP over HTTP on loopback and keeps every span as it came.
package tracetest
