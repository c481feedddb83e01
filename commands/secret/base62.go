package secret

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// appendBase62 appends the big-endian number n as exactly width digits, padded
// with zeros. n must fit.
func appendBase62(dst, n []byte, width int) []byte {
	start := len(dst)
	for range width {
		dst = append(dst, '0')
	}
	digits := dst[start:]
	var storage [secretBytes]byte
	rest := storage[:copy(storage[:], n)]
	for i := width - 1; i >= 0; i-- {
		// One long division by 62: the remainder is the next digit.
		remainder := 0
		for j, b := range rest {
			v := remainder<<8 | int(b)
			rest[j] = byte(v / 62)
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
