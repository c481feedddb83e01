package secret

import "encoding/binary"

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// appendBase62 appends the big-endian number n, of at most secretBytes whole
// 32-bit words, as exactly width digits, padded with zeros. n must fit.
func appendBase62(dst, n []byte, width int) []byte {
	var storage [secretBytes / 4]uint32
	words := storage[:len(n)/4]
	for i := range words {
		words[i] = binary.BigEndian.Uint32(n[4*i:])
	}
	start := len(dst)
	for range width {
		dst = append(dst, '0')
	}
	digits := dst[start:]
	for i := width - 1; i >= 0; i-- {
		// One long division by 62: the remainder is the next digit.
		remainder := uint64(0)
		for j, w := range words {
			v := remainder<<32 | uint64(w)
			words[j] = uint32(v / 62)
			remainder = v % 62
		}
		digits[i] = base62[remainder]
	}
	return dst
}

// base62Digit gives the value of c, or -1.
func base62Digit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'A' <= c && c <= 'Z':
		return int(c-'A') + 10
	case 'a' <= c && c <= 'z':
		return int(c-'a') + 36
	}
	return -1
}
