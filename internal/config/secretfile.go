package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"
)

// fileSuffix is what the variable has behind its name that says in which file a key's value is.
const fileSuffix = "_FILE"

// othersMayRead are the bits of a file's mode that let everybody on the machine read or change it. A group may read it: that is how
// Kubernetes and systemd hand out secrets.
const othersMayRead fs.FileMode = 0o006

// fromFile returns the value of a key that stands in a file of its own, if its variable names one: an environment is inherited by
// every child and shown by /proc, a file is neither.
func (s Sources) fromFile(k Key) (value given, ok bool, _ error) {
	if k.FileEnv == "" {
		return given{}, false, nil
	}
	path, ok := s.Env(k.FileEnv)
	if !ok || path == "" {
		return given{}, false, nil
	}
	value.origin = "environment " + k.FileEnv
	if text, ok := s.Env(k.Env); ok && text != "" {
		return value, true, fmt.Errorf("is given by %s, too: set one of the two", k.Env)
	}
	var err error
	value.text, err = readSecret(path)
	return value, true, err
}

// readSecret reads a file with one value in one line, which others cannot read.
func readSecret(path string) (string, error) {
	info, err := os.Stat(path)
	if err == nil && info.Mode().Perm()&othersMayRead != 0 && runtime.GOOS != "windows" { // where the bits say nothing
		return "", fmt.Errorf("is in the file %s, which everybody on this machine may read or change (mode %04o): chmod 600 it", path, info.Mode().Perm())
	}
	var content []byte
	if err == nil {
		content, err = readBounded(path)
	}
	if err != nil {
		if failed, ok := errors.AsType[*fs.PathError](err); ok {
			err = failed.Err // the path is said once
		}
		return "", fmt.Errorf("cannot be read from the file %s: %w", path, err)
	}
	text := strings.TrimRight(string(content), "\r\n")
	switch {
	case text == "":
		return "", fmt.Errorf("is to be in the file %s, which is empty", path)
	case strings.ContainsAny(text, "\r\n"):
		return "", fmt.Errorf("is to be in the file %s, which has more than one line", path)
	}
	return text, nil
}
