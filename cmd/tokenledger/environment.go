package main

import (
	"strings"

	"github.com/alecthomas/kong"
)

// environment makes flags with an env tag read Main.LookupEnv, in the order of the
// tag's names. Kong by itself reads the process's own environment. A variable that
// is set to "" counts as not set.
func (m *Main) environment() kong.Option {
	return kong.OptionFunc(func(k *kong.Kong) error {
		names := map[*kong.Flag][]string{}
		take := kong.PostBuild(func(k *kong.Kong) error {
			return kong.Visit(k.Model, func(node kong.Visitable, next kong.Next) error {
				if flag, ok := node.(*kong.Flag); ok && len(flag.Tag.Envs) > 0 {
					names[flag] = flag.Tag.Envs
					flag.Help = strings.TrimSuffix(flag.Help, ".") + " (" + strings.Join(flag.Tag.Envs, ", ") + ")."
					flag.Envs, flag.Tag.Envs = nil, nil
				}
				return next(nil)
			})
		})
		read := kong.Resolvers(kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
			for _, name := range names[flag] {
				if value, ok := m.LookupEnv(name); ok && value != "" {
					return value, nil
				}
			}
			return nil, nil
		}))
		if err := take.Apply(k); err != nil {
			return err
		}
		return read.Apply(k)
	})
}

// getenv gives a variable's value, "" if it is not set.
func (m *Main) getenv(name string) string {
	value, _ := m.LookupEnv(name)
	return value
}
