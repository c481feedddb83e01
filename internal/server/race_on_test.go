//go:build race

package server_test

// raceFlag builds the node as the tests are built.
const raceFlag = "-race=true"
