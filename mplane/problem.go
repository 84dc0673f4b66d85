package mplane

import (
	"errors"
	"fmt"
	"net/http"

	"joconde"
	"joconde/internal/door"
)

// What a caller may decide by, with errors.Is. They stand behind the Problems
// of a Client too.
var (
	ErrOutdated = errors.New("a party has replaced its directory entry")
	ErrUnknown  = errors.New("the directory has no such entry")
	ErrTaken    = errors.New("the party has an entry already")
)

// causes are the codes by which a Client knows what it may decide by.
var causes = map[string]error{
	"JOC-H102": ErrTaken, "JOC-H103": ErrOutdated, "JOC-H104": ErrUnknown, "JOC-H111": ErrUnknown, "JOC-H112": ErrOutdated,
}

// sent is what left the machine of whoever is refused.
const sent = "the record, which holds no data and was not kept"

func refuse(status int, code, what, where, why, do string, cause error) error {
	if where == "" {
		where = "directory"
	}
	return door.Reject(status, &joconde.Problem{Code: code, What: what, Where: where, Why: why, Do: do, LeftMachine: sent, Err: cause})
}

// inner is what package record said is wrong.
func inner(err error, otherwise string) string {
	var p *joconde.Problem
	if errors.As(err, &p) {
		return fmt.Sprintf("%s (%s)", p.Error(), p.Code)
	}
	return otherwise
}

func notEntry(cause error) error {
	return refuse(http.StatusUnprocessableEntity, "JOC-H101", "this is not a directory entry that holds", "",
		inner(cause, "it is a record of another kind"), "make the entry again with joconde party join", cause)
}

func taken(party joconde.PartyID) error {
	return refuse(http.StatusConflict, "JOC-H102", "the party has an entry already", "directory, "+string(party),
		"a new version must name the newest one and be signed by its approval key", "sign a successor with the key of the newest entry, or choose another name", ErrTaken)
}

func replaced(party joconde.PartyID) error {
	return refuse(http.StatusConflict, "JOC-H103", "the entry that this one replaces has been replaced by another", "directory, "+string(party),
		"an entry has at most one successor, so that nobody can be shown another one", "replace the newest entry; if it is not yours, somebody else has your approval key: tell the others", ErrOutdated)
}

func noPredecessor(party joconde.PartyID) error {
	return refuse(http.StatusConflict, "JOC-H104", "the entry that this one replaces is not in the directory", "directory, "+string(party),
		"every version is checked with the key of the one before", "send the earlier versions first, in order", ErrUnknown)
}

func full(limit int) error {
	return refuse(http.StatusInsufficientStorage, "JOC-H105", "the directory is full", "",
		fmt.Sprintf("this hub keeps at most %d entries", limit), "ask the hub's operator to raise its limit", nil)
}

func notKept(cause error) error {
	return refuse(http.StatusInsufficientStorage, "JOC-H106", "the directory could not write, and kept nothing", "",
		"the hub's disk is full or fails", "try again later; tell the hub's operator", cause)
}

func tooManyVersions(party joconde.PartyID) error {
	return refuse(http.StatusConflict, "JOC-H107", "the party has replaced its entry too often", "directory, "+string(party),
		fmt.Sprintf("whoever reads a task checks every version, and there are at most %d", maxVersions), "join under another name", nil)
}

func notTask(cause error) error {
	return refuse(http.StatusUnprocessableEntity, "JOC-H110", "this is not a task that could be agreed on", "task",
		inner(cause, "it is a record of another kind"), "correct the draft and propose it again: that makes another task", cause)
}

func unknownMember(party joconde.PartyID) error {
	return refuse(http.StatusConflict, "JOC-H111", "the directory does not have the entry that the task names for a party", "task, "+string(party),
		"a task names its parties by entries that everybody can read", "let the party join first, then propose again", ErrUnknown)
}

func outdatedMember(party joconde.PartyID) error {
	return refuse(http.StatusConflict, "JOC-H112", "the task names an entry that the party has replaced", "task, "+string(party),
		"the keys of the old entry are no longer the party's", "propose again with the newest entries: that makes another task", ErrOutdated)
}

func otherLog() error {
	return refuse(http.StatusUnprocessableEntity, "JOC-H113", "the task names another log than this hub's", "task",
		"its records would be proven by nobody", "propose it at the hub whose log it names, or draft it with this hub's log key", nil)
}

func tooManyEntries() error {
	return refuse(http.StatusUnprocessableEntity, "JOC-H114", "the task's parties have too many directory entries", "task",
		fmt.Sprintf("with all that they replace they are longer than %d bytes", maxEntries), "propose it with fewer parties", nil)
}
