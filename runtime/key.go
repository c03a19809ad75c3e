package runtime

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
)

// KeyOf makes a unique key out of the fields that make a task unique: 43
// characters (letters, digits, - and _) that are the same for the same values
// in every process. Values that differ in their JSON have different keys, and so
// have the same values in another order.
//
// The key is a SHA-256 without a salt, and travels in clear. Whoever reads it can
// find values that can be guessed, such as a PIN or a card's number, by trying them:
// make no key out of a secret.
func KeyOf(parts ...any) string {
	data, err := json.Marshal(parts)
	if err != nil {
		// A part that cannot travel, and so a task that cannot either: enqueueing it
		// reports the error, the key only has to be one.
		data = fmt.Appendf(nil, "%v: %#v", err, parts)
	}
	sum := sha256.Sum256(data)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
