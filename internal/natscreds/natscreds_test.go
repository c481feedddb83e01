package natscreds

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nkeys"
)

func seedOf(t *testing.T, kind nkeys.PrefixByte) string {
	t.Helper()
	pair, err := nkeys.CreatePair(kind)
	if kind == nkeys.PrefixByteCurve {
		pair, err = nkeys.CreateCurveKeys()
	}
	if err != nil {
		t.Fatal(err)
	}
	seed, err := pair.Seed()
	if err != nil {
		t.Fatal(err)
	}
	return string(seed)
}

func TestKeysAreTakenForWhatTheyAre(t *testing.T) {
	user, account, curve := seedOf(t, nkeys.PrefixByteUser), seedOf(t, nkeys.PrefixByteAccount), seedOf(t, nkeys.PrefixByteCurve)
	as := map[string]func(string) error{
		"user":    func(file string) error { _, err := Option(file); return err },
		"account": func(file string) error { _, err := Account(file); return err },
		"curve":   func(file string) error { _, err := Curve(file); return err },
	}
	for name, test := range map[string]struct {
		content string
		mode    os.FileMode
		good    string // what it is good as
	}{
		"a user's seed":        {user + "\n", 0o600, "user"},
		"an account's seed":    {account + "\n", 0o400, "account"},
		"a curve key's seed":   {curve, 0o600, "curve"},
		"open to the group":    {user, 0o640, ""},
		"open to all":          {account, 0o604, ""},
		"open curve key":       {curve, 0o644, ""},
		"a damaged seed":       {user[:20] + "A" + user[21:len(user)-1], 0o600, ""},
		"nothing":              {"", 0o600, ""},
		"two seeds":            {account + "\n" + account, 0o600, ""},
		"more than a key file": {strings.Repeat(" ", most) + user, 0o600, ""},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "key")
			if err := os.WriteFile(file, []byte(test.content), test.mode); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(file, test.mode); err != nil { // whatever the umask
				t.Fatal(err)
			}
			for kind, take := range as {
				err := take(file)
				if good := test.good == kind; good != (err == nil) {
					t.Errorf("as %s: %v", kind, err)
				}
				if err != nil {
					for _, s := range []string{user, account, curve} {
						if strings.Contains(err.Error(), s[:12]) {
							t.Errorf("the error holds the seed")
						}
					}
				}
			}
		})
	}
	for kind, take := range as {
		if take(filepath.Join(t.TempDir(), "none")) == nil {
			t.Errorf("as %s: a file that is not there was taken", kind)
		}
	}
}
