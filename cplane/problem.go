package cplane

import (
	"errors"
	"fmt"
	"net/http"

	"joconde"
	"joconde/internal/door"
)

// What a caller may decide by beside the errors of the root package, with
// errors.Is. They stand behind the Problems of a Client too.
var (
	ErrNoTask  = errors.New("the hub does not know the task")
	ErrNotYet  = errors.New("the output has not been handed in yet")
	ErrGone    = errors.New("nobody waits for the output any more")
	ErrShorter = errors.New("the hub has fewer records than it had")
)

// causes are the codes by which a Client knows what it may decide by.
var causes = map[string]error{
	"JOC-H202": ErrNoTask, "JOC-H204": joconde.ErrLate, "JOC-H205": joconde.ErrUnknown, "JOC-H206": joconde.ErrContradicts,
	"JOC-H213": ErrShorter, "JOC-H222": ErrGone, "JOC-H223": ErrNotYet,
}

// sent is what left the machine of whoever is refused.
const sent = "the record, which holds no data and was not kept"

func refuse(status int, code, what, where, why, do, left string, cause error) error {
	return door.Reject(status, &joconde.Problem{Code: code, What: what, Where: where, Why: why, Do: do, LeftMachine: left, Err: cause})
}

// inner is the Problem of package record, in the words of which we say why.
func inner(err error) *joconde.Problem {
	var p *joconde.Problem
	if errors.As(err, &p) {
		return p
	}
	return &joconde.Problem{What: err.Error(), Code: "JOC-E000"}
}

func notID() error {
	return refuse(http.StatusUnprocessableEntity, "JOC-H201", "the address names no task or output", "address",
		`a task is "sha256:" and 64 lower-case hex digits, an output 64 lower-case hex digits`, "take the id as the hub has given it", joconde.NothingLeft, nil)
}

func noTask() error {
	return refuse(http.StatusNotFound, "JOC-H202", "the hub does not know the task", "task",
		"it was proposed at another hub, or never", "check the task id and the hub's address", joconde.NothingLeft, ErrNoTask)
}

func notTask(cause error) error {
	return refuse(http.StatusUnprocessableEntity, "JOC-H203", "this is not a task that could be agreed on", "task",
		inner(cause).Error(), "correct the draft and propose it again", sent, cause)
}

// notTaken refuses a record. Nothing of it is kept.
func notTaken(cause error) error {
	p := inner(cause)
	why := fmt.Sprintf("%s (%s)", p.What, p.Code)
	where := p.Where
	if where == "" {
		where = "record"
	}
	switch {
	case errors.Is(cause, joconde.ErrLate):
		return refuse(http.StatusConflict, "JOC-H204", "the record has no place in the task now", where, why,
			"read the task's records; the task has moved on, or is not there yet", sent, joconde.ErrLate)
	case errors.Is(cause, joconde.ErrContradicts):
		return refuse(http.StatusConflict, "JOC-H206", "the record contradicts what is in the log", where, why,
			"read the task's records; if you did not sign the one that is there, somebody else has your key: abort the task", sent, joconde.ErrContradicts)
	case errors.Is(cause, joconde.ErrUnknown):
		return refuse(http.StatusUnprocessableEntity, "JOC-H205", "the record is not one of this task", where, why,
			"check the task id, and who the task's parties are", sent, joconde.ErrUnknown)
	}
	return refuse(http.StatusUnprocessableEntity, "JOC-H207", "the record does not hold", where, why,
		"send the record as it was signed by those who must sign it", sent, cause)
}

func tooManyTasks(limit int) error {
	return refuse(http.StatusInsufficientStorage, "JOC-H208", "the hub takes no more tasks", "hub",
		fmt.Sprintf("it keeps at most %d", limit), "ask the hub's operator to raise its limit", sent, nil)
}

func notLogged(cause error) error {
	return refuse(http.StatusInsufficientStorage, "JOC-H209", "the hub could not write to its log, and shows nothing of the record", "hub",
		"its disk is full or fails", "send the record again later, which is safe; tell the hub's operator", sent, cause)
}

func notRead(cause error) error {
	return refuse(http.StatusInternalServerError, "JOC-H210", "the hub could not read what it keeps", "hub",
		"its disk fails", "ask again later; tell the hub's operator", joconde.NothingLeft, cause)
}

func beyond(have int) error {
	return refuse(http.StatusConflict, "JOC-H213", "the hub has fewer records than were asked for", "task",
		fmt.Sprintf("it has %d of this task; a log never becomes shorter", have), "if you have seen more, keep them and their checkpoint, and tell the other parties", joconde.NothingLeft, ErrShorter)
}

func tooLarge(limit int) error {
	return refuse(http.StatusRequestEntityTooLarge, "JOC-H220", "the sealed output is too large", "output",
		fmt.Sprintf("this hub keeps outputs of at most %d bytes", limit), "hand it over in another way, or ask the hub's operator to raise its limit", joconde.NothingLeft, nil)
}

func notNamed() error {
	return refuse(http.StatusNotFound, "JOC-H221", "no transcript of the task names this output", "output",
		"the hub keeps only ciphertexts that a node has named in the log", "log the node's transcript first", joconde.NothingLeft, nil)
}

func delivered() error {
	return refuse(http.StatusGone, "JOC-H222", "nobody waits for this output any more", "output",
		"its recipient has signed for it, or the task has stopped; then it is deleted", "nothing is to be done", joconde.NothingLeft, ErrGone)
}

func notYet() error {
	return refuse(http.StatusNotFound, "JOC-H223", "the output has not been handed in yet", "output",
		"the operator of its node hands it in after the transcript", "ask again in a moment", joconde.NothingLeft, ErrNotYet)
}

func otherBytes() error {
	return refuse(http.StatusUnprocessableEntity, "JOC-H224", "the bytes are not those of the hash", "output",
		"the SHA-256 of the body is not the one in the address", "send it again", "a ciphertext, which was not kept", nil)
}

func mailboxFull() error {
	return refuse(http.StatusInsufficientStorage, "JOC-H225", "the hub's mailbox is full", "output",
		"outputs wait there until their recipients have them", "send it again later; tell the hub's operator", "a ciphertext, which was not kept", nil)
}

func notStored(cause error) error {
	var r *door.Rejection
	if errors.As(cause, &r) {
		return r
	}
	return refuse(http.StatusInsufficientStorage, "JOC-H226", "the hub could not keep the output", "output",
		"its disk is full or fails", "send it again later; tell the hub's operator", "a ciphertext, which was not kept", cause)
}
