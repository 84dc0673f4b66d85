package seal

import "joconde"

// refused says why a sealed share is not taken. No text has anything of it.
func refused(cause error) *joconde.Problem {
	codes := map[error]string{ErrForm: "JOC-K010", ErrTotal: "JOC-K011", ErrTruncated: "JOC-K012", ErrExtended: "JOC-K013", ErrOther: "JOC-K014", ErrAltered: "JOC-K015"}
	p := problem(codes[cause], "a sealed share does not open", cause)
	p.Do = "have it sent again by whoever sealed it; if it fails again, abort: the share is lost or somebody on its way changes it"
	return p
}

func problem(code, what string, cause error) *joconde.Problem {
	return &joconde.Problem{Code: code, What: what + ": " + cause.Error(), Why: "shares are sealed to one holder, for one purpose and in one length",
		Do: "compare the task, the attempt and the logged keys", LeftMachine: joconde.NothingLeft, Exit: joconde.ExitUnverified, Err: cause}
}
