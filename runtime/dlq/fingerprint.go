package dlq

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"
)

// The parts that differ between two failures of one kind.
var (
	uuids   = regexp.MustCompile(`(?i)\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`)
	quoted  = regexp.MustCompile("\"[^\"]*\"|`[^`]*`|'[^' ]*'")
	hexes   = regexp.MustCompile(`(?i)\b0x[0-9a-f]+\b|\b(?:[0-9a-f]*[0-9][0-9a-f]*[a-f][0-9a-f]*|[0-9a-f]*[a-f][0-9a-f]*[0-9][0-9a-f]*)\b`)
	numbers = regexp.MustCompile(`[0-9]+(?:[.,:][0-9]+)*`)
	spaces  = regexp.MustCompile(`\s+`)
)

// maxPattern is how much of an error is compared, in bytes.
const maxPattern = 400

// pattern returns an error's text without the parts that differ between tasks: numbers,
// IDs, quoted values, addresses. Of a panic it returns the first line.
func pattern(reason string) string {
	first, _, _ := strings.Cut(reason, "\n")
	if len(first) > maxPattern {
		first = strings.ToValidUTF8(first[:maxPattern], "")
	}
	first = uuids.ReplaceAllString(first, "#")
	first = quoted.ReplaceAllString(first, "“…”")
	first = hexes.ReplaceAllString(first, "#")
	first = numbers.ReplaceAllString(first, "#")
	return strings.TrimSpace(spaces.ReplaceAllString(first, " "))
}

// GroupID identifies the letters of one type that failed in the same way: 12 hex digits. It is
// Letter.Group and Group.ID.
func GroupID(taskType, reason string) string {
	sum := sha256.Sum256([]byte(taskType + "\x00" + pattern(reason)))
	return hex.EncodeToString(sum[:6])
}
