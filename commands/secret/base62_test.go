package secret

import (
	"crypto/rand"
	"math/big"
	"strings"
	"testing"
)

// math/big writes lower-case letters first, this package capital ones.
var swapCase = strings.NewReplacer(func() (pairs []string) {
	for c := 'a'; c <= 'z'; c++ {
		pairs = append(pairs, string(c), string(c-32), string(c-32), string(c))
	}
	return pairs
}()...)

func TestBase62IsThatOfMathBig(t *testing.T) {
	numbers := [][]byte{make([]byte, secretBytes), {0, 0, 0, 61}, {0, 0, 0, 62}, {255, 255, 255, 255}}
	highest := make([]byte, secretBytes)
	for i := range highest {
		highest[i] = 0xff
	}
	numbers = append(numbers, highest)
	for range 1000 {
		n := make([]byte, secretBytes)
		_, _ = rand.Read(n)
		numbers = append(numbers, n)
	}
	for _, n := range numbers {
		want := swapCase.Replace(new(big.Int).SetBytes(n).Text(62))
		want = strings.Repeat("0", secretChars-len(want)) + want
		if got := string(appendBase62([]byte("x_"), n, secretChars)); got != "x_"+want {
			t.Errorf("%x is written as %s, want x_%s", n, got, want)
		}
	}
}
