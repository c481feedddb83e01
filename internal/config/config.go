// Package config reads a node's settings from a YAML file: a mapping from a
// flag's name, without the dashes before it, to its value. A flag on the command
// line comes before the environment, and the environment before the file.
package config

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"gopkg.in/yaml.v3"
)

// Error says what is wrong with the file.
type Error struct{ Problem string }

func (e *Error) Error() string { return e.Problem }

func wrong(format string, args ...any) error { return &Error{fmt.Sprintf(format, args...)} }

// flagName is the flag that names the file.
const flagName = "config"

// File resolves the flags of a verb that has a --config flag from the file that
// the flag, or else the environment, names. Resolvers that are registered after
// it come before it.
type File struct {
	// Env is the variable that names the file where no flag does.
	Env string
	// LookupEnv is [os.LookupEnv], or a test's own.
	LookupEnv func(string) (string, bool)

	loaded bool
	values map[string]string
}

// Validate implements [kong.Resolver].
func (f *File) Validate(*kong.Application) error { return nil }

// Resolve implements [kong.Resolver].
func (f *File) Resolve(ctx *kong.Context, parent *kong.Path, flag *kong.Flag) (any, error) {
	siblings := parent.Flags
	if flag.Name == flagName || !slices.ContainsFunc(siblings, func(s *kong.Flag) bool { return s.Name == flagName }) {
		return nil, nil
	}
	if !f.loaded {
		if err := f.load(f.path(ctx), siblings); err != nil {
			return nil, err
		}
		f.loaded = true
	}
	if value, ok := f.values[flag.Name]; ok {
		return value, nil
	}
	return nil, nil
}

// path is the file that the command line names, or else the environment.
func (f *File) path(ctx *kong.Context) string {
	for _, p := range ctx.Path {
		if p.Flag != nil && p.Flag.Name == flagName {
			path, _ := ctx.FlagValue(p.Flag).(string)
			return path
		}
	}
	path, _ := f.LookupEnv(f.Env)
	return path
}

// load reads the file. A key that is no setting is refused, so that a mistyped
// one is not silently without effect.
func (f *File) load(path string, flags []*kong.Flag) error {
	if path == "" {
		return nil
	}
	file, err := os.Open(path)
	if err != nil {
		return wrong("the configuration file cannot be read: %v", err)
	}
	defer file.Close()
	var raw map[string]any
	d := yaml.NewDecoder(file)
	if err := d.Decode(&raw); err != nil && !errors.Is(err, io.EOF) {
		return wrong("the configuration file %s is not a YAML mapping of settings: %v", path, err)
	}
	if err := d.Decode(new(any)); !errors.Is(err, io.EOF) {
		return wrong("the configuration file %s has more than one document; put all settings into one", path)
	}
	known := []string{}
	for _, flag := range flags {
		if flag.Name != flagName && flag.Name != "help" {
			known = append(known, flag.Name)
		}
	}
	f.values = make(map[string]string, len(raw))
	for _, key := range slices.Sorted(maps.Keys(raw)) {
		if !slices.Contains(known, key) {
			return wrong("the configuration file %s sets %q, which is no setting; the settings are %s", path, key, strings.Join(known, ", "))
		}
		value, err := text(raw[key])
		if err != nil {
			return wrong("the configuration file %s: %s %v", path, key, err)
		}
		f.values[key] = value
	}
	return nil
}

// text gives a value as it would stand on the command line.
func text(value any) (string, error) {
	switch v := value.(type) {
	case nil:
		return "", errors.New("has no value")
	case map[string]any:
		return "", errors.New("is a mapping; it takes a single value or a list")
	case []any:
		words := make([]string, len(v))
		for i, e := range v {
			word, err := text(e)
			if err != nil {
				return "", err
			}
			words[i] = word
		}
		return strings.Join(words, ","), nil
	default:
		return fmt.Sprint(v), nil
	}
}
