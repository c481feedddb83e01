package tokens

import "unsafe"

// What is kept between batches of a buffer, in bytes, and of a map, in entries. A batch
// in bulk needs a hundred times of what others do.
const (
	retainedBytes   = 4 << 20
	retainedEntries = 16 << 10
)

// emptied gives the buffer to go on with.
func emptied[T any](b []T) []T {
	var one T
	if uintptr(cap(b))*unsafe.Sizeof(one) > retainedBytes {
		return nil
	}
	return b[:0]
}

// emptiedMap gives the map to go on with.
func emptiedMap[K comparable, V any](m map[K]V) map[K]V {
	if len(m) > retainedEntries {
		return make(map[K]V)
	}
	clear(m)
	return m
}
