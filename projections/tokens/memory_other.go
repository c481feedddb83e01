//go:build !unix

package tokens

// allocate gives n bytes of zeros.
func allocate(n int) (mem []byte, free func()) { return make([]byte, n), func() {} }
