package runtime

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
)

// KeyOf makes a unique key of the fields that make a task unique: 43 characters
// (letters, digits, - and _) that are the same for the same values in every process.
// Values that differ in their JSON have different keys, and so have the same values in
// another order.
//
// The key is a SHA-256 without a salt, and travels in clear. A reader of the key can
// find values that can be guessed, such as a PIN or a card's number, by trying them:
// make no key of a secret.
func KeyOf(parts ...any) string {
	data, err := json.Marshal(parts)
	if err != nil {
		// Such a part cannot travel, and so neither can the task: enqueueing it reports
		// the error. The key can be anything.
		data = fmt.Appendf(nil, "%v: %#v", err, parts)
	}
	sum := sha256.Sum256(data)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
