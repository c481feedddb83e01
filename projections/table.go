package projections

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/objstorage/objstorageprovider"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	// tableRows is from where on a table is worth its file.
	tableRows = 16 << 10
	// tableFile is where a table is made, in the store's folder.
	tableFile = "bulk.sst"
)

// ingest brings what a batch writes into the store: as a table if that can be, otherwise
// as a commit. It is durable on nil.
func (r *Runner) ingest(b *pebble.Batch) error {
	if int(b.Count()) >= r.bulk.rows {
		if rows, ok := distinct(rowsOf(b)); ok {
			return r.s.ingest(rows)
		}
	}
	return r.s.commit(b, pebble.Sync)
}

// row is what a batch does to a key.
type row struct {
	kind       pebble.InternalKeyKind
	key, value []byte
}

// rowsOf gives what a batch does, in its order.
func rowsOf(b *pebble.Batch) []row {
	rows := make([]row, 0, b.Count())
	for all := b.Reader(); ; {
		kind, key, value, ok, err := all.Next()
		if !ok || err != nil { // it is our own
			return rows
		}
		rows = append(rows, row{kind, key, value})
	}
}

// distinct brings rows into the order of their keys, and leaves of several to one key
// the last. It gives false where that is not all that counts: before a merge.
func distinct(rows []row) ([]row, bool) {
	byKey := func(a, b row) int { return bytes.Compare(a.key, b.key) }
	if !slices.IsSortedFunc(rows, byKey) {
		slices.SortStableFunc(rows, byKey)
	}
	kept := rows[:0]
	for i, one := range rows {
		if i > 0 && bytes.Equal(kept[len(kept)-1].key, one.key) {
			if one.kind == pebble.InternalKeyKindMerge {
				return nil, false
			}
			kept = kept[:len(kept)-1]
		}
		kept = append(kept, one)
	}
	return kept, true
}

// ingest makes a table of rows and takes it into the database: all of them or none.
func (s *store) ingest(rows []row) error {
	return s.write("ingest", func() error {
		name := s.fs.PathJoin(s.dir, tableFile)
		if err := s.writeTable(name, rows); err != nil {
			return err
		}
		return s.db.Ingest(context.Background(), []string{name})
	})
}

func (s *store) writeTable(name string, rows []row) error {
	f, err := s.fs.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	// The disk is to be at work while the table is made, not only at its end.
	f = vfs.NewSyncingFile(f, vfs.SyncingFileOptions{BytesPerSync: bytesPerSync})
	w := sstable.NewWriter(objstorageprovider.NewFileWritable(f), s.tables)
	for i := 0; err == nil && i < len(rows); i++ {
		switch one := &rows[i]; one.kind {
		case pebble.InternalKeyKindSet:
			err = w.Set(one.key, one.value)
		case pebble.InternalKeyKindMerge:
			err = w.Merge(one.key, one.value)
		case pebble.InternalKeyKindDelete:
			err = w.Delete(one.key)
		default:
			err = fmt.Errorf("a row of kind %s", one.kind)
		}
	}
	return errors.Join(err, w.Close()) // it syncs, and closes f
}
