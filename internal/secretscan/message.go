package secretscan

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"

	"github.com/go-json-experiment/json"

	"github.com/tokenledger/tokenledger/commands"
	"github.com/tokenledger/tokenledger/commands/secret"
)

// Match is a token that was found.
type Match struct {
	Token secret.Secret
	// Type is the name that the form of the token is registered under.
	Type string
	// URL is where it was found; it may be empty.
	URL string
	// Source is the kind of place: "commit", "gist_content".
	Source string
}

// verify holds a signature, base64 of ASN.1, against the bytes of a body.
func verify(key *ecdsa.PublicKey, body []byte, signature string) bool {
	raw, err := base64.StdEncoding.DecodeString(signature)
	if err != nil {
		return false
	}
	sum := sha256.Sum256(body)
	return ecdsa.VerifyASN1(key, sum[:], raw)
}

// parseMatches reads a message whose signature was verified. Fields that GitHub adds
// one day are passed over. The text of values is in no error: it may be a token.
func parseMatches(body []byte) ([]Match, error) {
	var raw []struct {
		Token  string `json:"token"`
		Type   string `json:"type"`
		URL    string `json:"url"`
		Source string `json:"source"`
	}
	if err := json.Unmarshal(body, &raw); err != nil {
		return nil, &commands.Error{Kind: commands.Invalid, Code: "leaks_github_body_invalid",
			Detail: "the message is signed, but is not a JSON array of objects with the strings token, type, url and source",
			Hint:   "compare it with GitHub's documentation of the secret scanning partner program"}
	}
	if len(raw) > commands.MaxLeaks {
		return nil, &commands.Error{Kind: commands.TooLarge, Code: "leaks_github_too_large",
			Detail: fmt.Sprintf("the message has %d tokens; %d are the most that are taken at once; nothing was recorded", len(raw), commands.MaxLeaks), Hint: "send it in parts"}
	}
	matches := make([]Match, len(raw))
	for i, m := range raw {
		matches[i] = Match{Token: secret.Of(m.Token), Type: m.Type, URL: m.URL, Source: m.Source}
	}
	return matches, nil
}
