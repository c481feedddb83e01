package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/oklog/ulid/v2"

	"github.com/tokenledger/tokenledger/internal/identity"
)

const putBack = "put keys/ back from a backup of this node; do not start the node before: another key is another log"

// examineKeys looks whether keys/ is all there, and the owner's alone.
func (x *examination) examineKeys() {
	keys := x.path("keys")
	for _, name := range []string{"identity.json", "log.key"} {
		if _, err := os.Lstat(filepath.Join(keys, name)); errors.Is(err, fs.ErrNotExist) {
			x.report.add("key_missing", Trouble, "keys/"+name+" is missing", "the node does not start without it, and nobody can tell whose data this is", putBack)
		}
	}
	// Open would make an identity where nothing of one is there.
	if _, err := os.Lstat(filepath.Join(keys, "identity.json")); err != nil {
		return
	}
	x.examineModes(keys)
	id, err := identity.Open(keys)
	if err != nil {
		if _, lost := errors.AsType[*identity.LostError](err); !lost { // said above
			x.report.add("key_unreadable", Trouble, err.Error(), "", putBack)
		}
		return
	}
	x.identity = id
	x.report.Node = id.Node
	if id.LedgerID != (ulid.ULID{}) {
		x.report.Ledger = id.LedgerID.String()
	}
	x.report.Evidence = id.Evidence().Seq
	if x.key, err = id.Verifier(); err != nil {
		x.report.add("key_unreadable", Trouble, err.Error(), "", putBack)
		return
	}
	if _, err := id.Signer(); err != nil {
		x.report.add("key_unreadable", Trouble, err.Error(), "the node does not start without its signing key", putBack)
	}
}

func (x *examination) examineModes(keys string) {
	var open []string
	for _, name := range []string{".", "identity.json", "log.key", "evidence.json", identity.RestoredFile} {
		info, err := os.Lstat(filepath.Join(keys, name))
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			open = append(open, fmt.Sprintf("%s (%04o)", filepath.Join("keys", name), info.Mode().Perm()))
		}
	}
	if open != nil {
		x.report.add("keys_open", Trouble, "others than the owner may reach "+strings.Join(open, ", "),
			"whoever has read log.key can sign a forged log as this node", "chmod -R go= "+keys+"; if others have accounts here, take the key for known")
	}
}
