package record

import "joconde"

// refused is a record or key that is not accepted. The codes JOC-E… are those
// of this package. cause may be nil; it never holds a secret or a value of data.
func refused(code, where, what, why, do string, cause error) *joconde.Problem {
	return &joconde.Problem{Code: code, What: what, Where: where, Why: why, Do: do,
		LeftMachine: joconde.NothingLeft, Exit: joconde.ExitUnverified, Err: cause}
}

// Why a refusal has to be, and what can be done, where many share it.
const (
	whyOneForm = "a record has exactly one form, so that everybody who checks it reads the same bytes"
	whyKeys    = "only the keys that the terms name can speak for a party, each for its own kinds of record"
	doSigner   = "ask whoever sent it for the record as it was signed"
)
