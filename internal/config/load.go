package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
)

// FileBytesMax bounds the configuration file.
const FileBytesMax = 1 << 20

// Sources are the places that values come from.
type Sources struct {
	// Flag returns the text of a key's flag; ok is false when it was not given.
	Flag func(name string) (text string, ok bool)
	// Env returns a variable, as [os.LookupEnv] does.
	Env func(name string) (text string, ok bool)
	// File is the path of the YAML file, or empty for none.
	File string
}

// given is a text with the place that it came from.
type given struct{ text, origin string }

// Load reads the configuration. The error is an [Error].
func Load(s Sources) (*Config, error) {
	var problems []Problem
	var file map[string]given
	if s.File != "" {
		file, problems = readFile(s.File)
	}
	c := new(Config)
	for _, k := range Keys() {
		value, err := s.pick(k, file)
		if err != nil {
			problems = append(problems, Problem{Key: k.Name, Origin: value.origin, Message: err.Error()})
			continue
		}
		if err := k.row().set(c, value.text); err != nil {
			message := err.Error()
			if !k.Secret && value.text != "" {
				message = fmt.Sprintf("%q %s", HidePassword(value.text), message)
			}
			problems = append(problems, Problem{Key: k.Name, Origin: value.origin, Message: message})
		}
		if k.Secret && value.text != "" {
			value.text = "***"
		}
		value.text = HidePassword(value.text)
		c.settings = append(c.settings, Setting{Key: k, Value: value.text, Origin: value.origin})
	}
	if len(problems) == 0 {
		problems = slices.Concat(c.mailProblems(), c.oidcProblems(), c.tlsProblems())
	}
	if len(problems) > 0 {
		return nil, &Error{Problems: problems}
	}
	return c, nil
}

// pick returns the text that is in force: the first that is not empty, for in a unit file or a chart an empty variable
// stands for one that is not set.
func (s Sources) pick(k Key, file map[string]given) (given, error) {
	if text, ok := s.Flag(k.Name); ok && text != "" {
		return given{text, "flag --" + k.Name}, nil
	}
	if value, ok, err := s.fromFile(k); ok {
		return value, err
	}
	if text, ok := s.Env(k.Env); ok && text != "" {
		return given{text, "environment " + k.Env}, nil
	}
	if value := file[k.Name]; value.text != "" {
		return value, nil
	}
	return given{k.Default, "default"}, nil
}

// row returns the key's row of the table.
func (k Key) row() key {
	for _, row := range keys() {
		if row.name == k.Name {
			return row
		}
	}
	panic("config: a key without a row: " + k.Name) // Keys makes every Key from a row
}

func readFile(path string) (map[string]given, []Problem) {
	text, err := readBounded(path)
	if err != nil {
		reason := err
		if failed, ok := errors.AsType[*fs.PathError](err); ok {
			reason = failed.Err // the path is said once
		}
		return nil, []Problem{{Origin: path, Message: fmt.Sprintf("the file cannot be read: %v", reason)}}
	}
	return parseFile(path, text)
}

func readBounded(path string) (text []byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	text, err = io.ReadAll(io.LimitReader(f, FileBytesMax+1))
	if err == nil && len(text) > FileBytesMax {
		err = fmt.Errorf("it is larger than %d bytes", FileBytesMax)
	}
	return text, err
}
