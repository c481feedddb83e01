// Package interop holds the tests with programs that are not ours: proxies, libraries of
// other languages, linters. It has no code of its own.
//
// setup.sh installs those programs on a Debian machine; make tools (and with it make
// test) runs it. A program that is missing fails its tests: a test that is skipped shows
// nothing.
package interop
