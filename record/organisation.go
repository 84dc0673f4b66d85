package record

import (
	"slices"

	"joconde"
)

// OpenOrganisation verifies a directory entry: signed by its own approval key
// and, if it replaces an entry, by that one's approval key too, and by nobody
// else. predecessor is the entry that it names, verified before; nil if it is
// the party's first.
func OpenOrganisation(raw []byte, predecessor *Record) (*Record, error) {
	u, err := Peek(raw)
	if err != nil {
		return nil, err
	}
	return openEntry(u, raw, predecessor)
}

// openEntry opens the entry that was read from raw.
func openEntry(u *Unchecked, raw []byte, predecessor *Record) (*Record, error) {
	entry, ok := u.Body.(*joconde.Organisation)
	if !ok {
		return nil, notEntry("JOC-E140", "the record is no directory entry", nil)
	}
	keys := []string{entry.ApprovalKey}
	switch {
	case entry.Predecessor == nil && predecessor != nil:
		return nil, notEntry("JOC-E141", "the party has an entry, and the new one does not name it", entry)
	case entry.Predecessor != nil && predecessor == nil:
		return nil, notEntry("JOC-E142", "the entry that this one replaces is not known", entry)
	case predecessor != nil:
		old, ok := predecessor.Body.(*joconde.Organisation)
		if !ok || predecessor.ID != *entry.Predecessor {
			return nil, notEntry("JOC-E143", "the entry replaces another than the party's last", entry)
		}
		if old.Party != entry.Party {
			return nil, notEntry("JOC-E144", "the entry replaces one of another party", entry)
		}
		// What an agent holds must not come to count as a person's consent.
		if entry.ApprovalKey == old.OperationsKey {
			return nil, notEntry("JOC-E145", "the new approval key was the operations key", entry)
		}
		if old.ApprovalKey != entry.ApprovalKey {
			keys = append(keys, old.ApprovalKey)
		}
	}
	if !signedByExactly(u.Signers, keys...) {
		return nil, notEntry("JOC-E146", "the entry is not signed by the keys that must sign it, and by no others", entry)
	}
	return &Record{u.Kind, u.ID, u.Body, slices.Clone(raw)}, nil
}

func signedByExactly(signers []string, keys ...string) bool {
	slices.Sort(keys)
	return slices.Equal(signers, slices.Compact(keys))
}

func notEntry(code, what string, entry *joconde.Organisation) *joconde.Problem {
	where := "directory"
	if entry != nil {
		where += ", " + string(entry.Party)
	}
	return refused(code, where, what, "a party's keys come from entries that it signed itself, each signed by the one before",
		"ask the party for its entry, and compare its fingerprint by telephone", nil)
}
