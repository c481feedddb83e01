//go:build unix

package tokens

import "syscall"

// allocate gives n bytes of zeros outside the garbage collector's heap, which
// would otherwise let as much garbage gather as the cache is large. Pages are taken
// from the system when they are first touched.
func allocate(n int) (mem []byte, free func()) {
	mem, err := syscall.Mmap(-1, 0, n, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return make([]byte, n), func() {}
	}
	return mem, func() { _ = syscall.Munmap(mem) }
}
