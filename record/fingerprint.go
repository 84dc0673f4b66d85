package record

import (
	"encoding/base32"
	"strings"

	"joconde"
)

// crockford is an alphabet without I, L, O, U: what is read aloud or typed
// comes back the same.
const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

var crockfordText = base32.NewEncoding(crockford).WithPadding(base32.NoPadding)

// MinPrefix is how many characters of a fingerprint a person types at least.
const MinPrefix = 8

// Fingerprint is a whole digest for people: 52 characters of Crockford's
// base32, in groups of four. Who compares for security compares at least 26.
func Fingerprint(d joconde.Digest) string {
	text := crockfordText.EncodeToString(d[:])
	var groups []string
	for ; len(text) > 4; text = text[4:] {
		groups = append(groups, text[:4])
	}
	return strings.Join(append(groups, text), "-")
}

// fold undoes what people do to a fingerprint: case, the letters that are taken
// for digits, and where the dashes are.
var fold = strings.NewReplacer("-", "", "O", "0", "I", "1", "L", "1")

// Match says whether prefix, as a person typed it, begins the fingerprint of d.
func Match(prefix string, d joconde.Digest) bool {
	if len(prefix) > 2*len(Fingerprint(d)) {
		return false
	}
	typed := fold.Replace(strings.ToUpper(prefix))
	return len(typed) >= MinPrefix && strings.HasPrefix(crockfordText.EncodeToString(d[:]), typed)
}
