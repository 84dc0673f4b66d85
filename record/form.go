package record

import (
	"crypto/ecdh"
	"crypto/hpke"
	"encoding/hex"
	"fmt"
	"net"
	"strconv"
	"strings"
	"unicode"

	"joconde"
)

// form is what there is to know of a kind of record beside who signs it.
type form struct {
	body func() any         // an empty payload
	look func(*fields, any) // what no type can say
	at   func(any) string   // the record's own time
}

// formOf makes a form of the functions for one struct.
func formOf[T any](look func(*fields, *T), at func(*T) string) form {
	return form{
		body: func() any { return new(T) },
		look: func(f *fields, body any) { look(f, body.(*T)) },
		at:   func(body any) string { return at(body.(*T)) },
	}
}

// forms are all kinds of record. What is not here is not decoded.
var forms = map[joconde.RecordKind]form{
	joconde.KindOrganisation:  formOf(lookOrganisation, func(b *joconde.Organisation) string { return b.ValidFrom }),
	joconde.KindTask:          formOf(lookTask, func(b *joconde.Task) string { return b.Deadlines.ApproveBy }),
	joconde.KindApproval:      formOf(lookApproval, func(b *joconde.Approval) string { return b.At }),
	joconde.KindRefusal:       formOf(lookRefusal, func(b *joconde.Refusal) string { return b.At }),
	joconde.KindAttemptNonce:  formOf(lookAttemptNonce, func(b *joconde.AttemptNonce) string { return b.At }),
	joconde.KindNodeBundle:    formOf(lookNodeBundle, func(b *joconde.NodeBundle) string { return b.At }),
	joconde.KindAcceptance:    formOf(lookAcceptance, func(b *joconde.Acceptance) string { return b.At }),
	joconde.KindInputReceipt:  formOf(lookInputReceipt, func(b *joconde.InputReceipt) string { return b.At }),
	joconde.KindReady:         formOf(lookReady, func(b *joconde.Ready) string { return b.At }),
	joconde.KindTranscript:    formOf(lookTranscript, func(b *joconde.Transcript) string { return b.At }),
	joconde.KindResultReceipt: formOf(lookResultReceipt, func(b *joconde.ResultReceipt) string { return b.At }),
	joconde.KindWipeReceipt:   formOf(lookWipeReceipt, func(b *joconde.WipeReceipt) string { return b.At }),
	joconde.KindSplitWipe:     formOf(lookSplitWipe, func(b *joconde.SplitWipe) string { return b.At }),
	joconde.KindAbort:         formOf(lookAbort, func(b *joconde.Abort) string { return b.At }),
	joconde.KindRetry:         formOf(lookRetry, func(b *joconde.Retry) string { return b.At }),
}

// decode reads a payload of a kind strictly.
func decode(kind joconde.RecordKind, payload []byte) (any, error) {
	form := forms[kind]
	body := form.body()
	if err := Strict(payload, body); err != nil {
		return nil, refused("JOC-E127", string(kind), "a payload is not in its one form", whyOneForm, doSigner, err)
	}
	f := fields{kind: kind}
	if form.look(&f, body); f.wrong != nil {
		return nil, f.wrong
	}
	return body, nil
}

// fields looks at the fields of a payload and keeps the first complaint. No
// complaint quotes a field.
type fields struct {
	kind  joconde.RecordKind
	wrong *joconde.Problem
}

func (f *fields) complain(name, what string) {
	if f.wrong == nil {
		f.wrong = refused("JOC-E128", string(f.kind)+", "+name, what, "every field of a record has a form and limits that all readers share", doSigner, nil)
	}
}

// Limits of texts, in bytes, and of lists.
const (
	maxName    = 200
	maxText    = 10_000
	maxSource  = 512 << 10
	maxList    = 1000
	maxCount   = 1 << 40
	maxAttempt = 3
)

func (f *fields) party(name string, p joconde.PartyID) {
	for i, c := range []byte(p) {
		letter, other := c >= 'a' && c <= 'z', c >= '0' && c <= '9' || c == '_' || c == '-'
		if !letter && (!other || i == 0) {
			f.complain(name, "a party's name is a lower-case letter, then lower-case letters, digits, _ and -")
		}
	}
	if len(p) == 0 || len(p) > 63 {
		f.complain(name, "a party's name has 1 to 63 characters")
	}
}

// text is for people: one line, and no characters that reorder what is shown.
func (f *fields) text(name, text string, least, most int) {
	f.prose(name, text, least, most)
	if strings.ContainsAny(text, "\n\t") {
		f.complain(name, "the text must be one line")
	}
}

// prose may have lines and tabs.
func (f *fields) prose(name, text string, least, most int) {
	if len(text) < least || len(text) > most {
		f.complain(name, fmt.Sprintf("the text must have %d to %d bytes", least, most))
	}
	for _, c := range text {
		if unicode.IsControl(c) && c != '\n' && c != '\t' || unicode.Is(unicode.Bidi_Control, c) || c == '\u2028' || c == '\u2029' {
			f.complain(name, "the text has characters that change how it is shown")
			return
		}
	}
}

func (f *fields) texts(name string, list []string, least, most int) {
	if len(list) < least || len(list) > most {
		f.complain(name, fmt.Sprintf("there must be %d to %d of them", least, most))
		return
	}
	seen := map[string]bool{}
	for _, text := range list {
		f.text(name, text, 1, maxName)
		if seen[text] {
			f.complain(name, "one stands twice")
		}
		seen[text] = true
	}
}

func (f *fields) hex(name, text string, least, most int) {
	raw, err := hex.DecodeString(text)
	if err != nil || strings.ToLower(text) != text || len(raw) < least || len(raw) > most {
		f.complain(name, "it must be bytes in lower-case hex, of the right number")
	}
}

func (f *fields) key(name, text string) {
	if _, err := ParsePublic(text); err != nil {
		f.complain(name, "it is no acceptable public key")
		f.wrong.Err = err
	}
}

// A hybrid public key is ML-KEM-768's, then X25519's.
const (
	mlkemKey  = 1184
	x25519Key = 32
)

// lowOrder finds points with which every secret comes out the same.
var lowOrder = func() *ecdh.PrivateKey {
	bytes := [x25519Key]byte{8}
	k, err := ecdh.X25519().NewPrivateKey(bytes[:])
	if err != nil {
		panic(err) // 32 bytes are always a key
	}
	return k
}()

// sealing looks at a public key to which shares are sealed.
func (f *fields) sealing(name, text string) {
	f.hex(name, text, mlkemKey+x25519Key, mlkemKey+x25519Key)
	if f.wrong != nil {
		return
	}
	raw, err := hex.DecodeString(text)
	if err == nil {
		_, err = hpke.MLKEM768X25519().NewPublicKey(raw)
	}
	var point *ecdh.PublicKey
	if err == nil {
		point, err = ecdh.X25519().NewPublicKey(raw[mlkemKey:])
	}
	if err == nil {
		_, err = lowOrder.ECDH(point)
	}
	if err != nil {
		f.complain(name, "it is no acceptable public key")
		f.wrong.Err = err
	}
}

func (f *fields) time(name, text string) {
	if _, err := joconde.ParseTime(text); err != nil {
		f.complain(name, err.Error())
	}
}

func (f *fields) digest(name string, d joconde.Digest) {
	if d == (joconde.Digest{}) {
		f.complain(name, "it is the digest of nothing")
	}
}

func (f *fields) count(name string, n, least, most int) {
	if n < least || n > most {
		f.complain(name, fmt.Sprintf("it must be %d to %d", least, most))
	}
}

func (f *fields) reason(code string) {
	if _, known := joconde.Reasons[code]; !known {
		f.complain("reason", "it is no code of the list of reasons")
	}
}

// step looks at what all records of a task begin and end with.
func (f *fields) step(task joconde.Digest, party joconde.PartyID, at string) {
	f.digest("task", task)
	f.party("party", party)
	f.time("at", at)
}

func (f *fields) attempt(n int) { f.count("attempt", n, 1, maxAttempt) }

func lookOrganisation(f *fields, b *joconde.Organisation) {
	f.party("party", b.Party)
	f.text("legal_name", b.LegalName, 1, maxName)
	f.text("contact", b.Contact, 0, maxName)
	f.key("approval_key", b.ApprovalKey)
	f.key("operations_key", b.OperationsKey)
	f.sealing("result_key", b.ResultKey)
	f.time("valid_from", b.ValidFrom)
	f.time("valid_until", b.ValidUntil)
	if b.ApprovalKey == b.OperationsKey {
		f.complain("operations_key", "it is the approval key: what an agent signs must never count as a person's consent")
	}
	if b.ValidFrom >= b.ValidUntil { // the form sorts by time
		f.complain("valid_until", "it is not after valid_from")
	}
	if b.Predecessor != nil {
		f.digest("predecessor", *b.Predecessor)
	}
}

// lookTask looks at forms and limits; what the terms must mean together is for
// joconde.NewState to say.
func lookTask(f *fields, b *joconde.Task) {
	f.count("format", b.Format, 1, 1)
	f.text("title", b.Title, 1, maxName)
	f.prose("purpose", b.Purpose, 0, maxText)
	f.prose("legal, basis", b.Legal.Basis, 0, maxText)
	f.texts("legal, categories", b.Legal.Categories, 0, maxList)
	f.prose("legal, retention", b.Legal.Retention, 0, maxText)
	f.hex("nonce", b.Nonce, 32, 32)
	f.party("proposer", b.Proposer)
	f.count("parties", len(b.Parties), 1, maxList)
	for i := range b.Parties {
		m := &b.Parties[i]
		f.party("parties", m.Party)
		f.count("parties, roles", len(m.Roles), 1, 4)
		for _, role := range m.Roles {
			f.role("parties, roles", role)
		}
		f.digest("parties, record", m.Record)
	}
	f.count("computing", len(b.Computing), 1, maxList)
	for i := range b.Computing {
		p := &b.Computing[i]
		f.party("computing", p.Party)
		f.texts("computing, chips", p.Chips, 1, maxList)
		f.texts("computing, measurements", p.Measurements, 1, maxList)
	}
	f.prose("source", b.Source, 1, maxSource)
	f.digest("program", b.Program)
	f.digest("statement", b.Statement)
	f.text("compiler", b.Compiler, 1, maxName)
	f.text("lowering", b.Lowering, 1, maxName)
	f.count("rows", len(b.Rows), 1, maxList)
	for _, r := range b.Rows {
		f.text("rows, table", r.Table, 1, maxName)
		f.count("rows, rows", r.Rows, 0, maxCount)
	}
	f.text("engine", b.Engine, 1, maxName)
	f.text("sort", b.Sort, 0, maxName)
	f.texts("platforms", b.Platforms, 1, maxList)
	f.text("log_key", b.LogKey, 1, maxName)
	f.time("deadlines, approve_by", b.Deadlines.ApproveBy)
	f.time("deadlines, establish_by", b.Deadlines.EstablishBy)
	f.time("deadlines, input_by", b.Deadlines.InputBy)
	f.count("deadlines, run_seconds", b.Deadlines.RunSeconds, 1, maxCount)
	f.time("deadlines, delete_by", b.Deadlines.DeleteBy)
	f.count("attempts", b.Attempts, 1, maxAttempt)
}

func (f *fields) role(name string, r joconde.Role) {
	switch r {
	case joconde.InputParty, joconde.ComputingParty, joconde.OutputParty, joconde.Approver:
	default:
		f.complain(name, "it is no role")
	}
}

func lookApproval(f *fields, b *joconde.Approval) {
	f.step(b.Task, b.Party, b.At)
	f.role("role", b.Role)
	f.digest("statement", b.Statement)
}

func lookRefusal(f *fields, b *joconde.Refusal) {
	f.step(b.Task, b.Party, b.At)
	f.reason(b.Reason)
}

func lookAttemptNonce(f *fields, b *joconde.AttemptNonce) {
	f.step(b.Task, b.Party, b.At)
	f.attempt(b.Attempt)
	f.hex("nonce", b.Nonce, 32, 32)
}

func lookNodeBundle(f *fields, b *joconde.NodeBundle) {
	f.step(b.Task, b.Party, b.At)
	f.attempt(b.Attempt)
	f.text("address", b.Address, 1, maxName)
	host, port, err := net.SplitHostPort(b.Address)
	number, wrong := strconv.ParseUint(port, 10, 16)
	if err != nil || wrong != nil || host == "" || number == 0 || strconv.FormatUint(number, 10) != port {
		f.complain("address", "it must be host:port")
	}
	f.hex("tls_pin", b.TLSPin, 32, 32)
	f.sealing("hpke_key", b.HPKEKey)
	f.key("receipt_key", b.ReceiptKey)
	f.digest("nonces", b.Nonces)
	f.text("evidence, platform", b.Evidence.Platform, 1, maxName)
	f.hex("evidence, raw", b.Evidence.Raw, 1, MaxEnvelope)
	f.hex("evidence, collateral", b.Evidence.Collateral, 0, MaxEnvelope)
}

func lookAcceptance(f *fields, b *joconde.Acceptance) {
	f.step(b.Task, b.Party, b.At)
	f.attempt(b.Attempt)
	f.digest("bundles", b.Bundles)
}

func lookInputReceipt(f *fields, b *joconde.InputReceipt) {
	f.step(b.Task, b.Party, b.At)
	f.attempt(b.Attempt)
	f.digest("bundles", b.Bundles)
	f.count("inputs", len(b.Inputs), 0, maxList)
	for i := range b.Inputs {
		in := &b.Inputs[i]
		f.count("inputs, input", in.Input, 0, maxCount)
		if i > 0 && b.Inputs[i-1].Input >= in.Input {
			f.complain("inputs", "they are not in order, or one stands twice")
		}
		f.count("inputs, commitments", len(in.Commitments), 1, maxList)
		for _, d := range in.Commitments {
			f.digest("inputs, commitments", d)
		}
		f.count("inputs, ciphertexts", len(in.Ciphertexts), 1, maxList)
		for _, d := range in.Ciphertexts {
			f.digest("inputs, ciphertexts", d)
		}
	}
}

func lookReady(f *fields, b *joconde.Ready) {
	f.step(b.Task, b.Party, b.At)
	f.attempt(b.Attempt)
	f.digest("inputs", b.Inputs)
}

func lookTranscript(f *fields, b *joconde.Transcript) {
	f.step(b.Task, b.Party, b.At)
	f.attempt(b.Attempt)
	f.digest("inputs", b.Inputs)
	f.count("outputs", len(b.Outputs), 1, maxList)
	for _, o := range b.Outputs {
		f.text("outputs, view", o.View, 1, maxName)
		f.party("outputs, to", o.To)
		f.digest("outputs, ciphertext", o.Ciphertext)
	}
	f.count("rounds", b.Rounds, 0, maxCount)
	f.count("bytes", b.Bytes, 0, 1<<53-1)
}

func lookResultReceipt(f *fields, b *joconde.ResultReceipt) {
	f.step(b.Task, b.Party, b.At)
	f.attempt(b.Attempt)
}

func lookWipeReceipt(f *fields, b *joconde.WipeReceipt) {
	f.step(b.Task, b.Party, b.At)
	f.attempt(b.Attempt)
	f.texts("destroyed", b.Destroyed, 0, 32)
	f.texts("not_proven", b.NotProven, 0, 32)
	switch b.Exit {
	case "done", "aborted", "killed":
	default:
		f.complain("exit", "it must be done, aborted or killed")
	}
}

func lookSplitWipe(f *fields, b *joconde.SplitWipe) {
	f.step(b.Task, b.Party, b.At)
	f.count("files", b.Files, 0, maxCount)
}

func lookAbort(f *fields, b *joconde.Abort) {
	f.step(b.Task, b.Party, b.At)
	f.attempt(b.Attempt)
	f.reason(b.Reason)
	if b.Blames != "" {
		f.party("blames", b.Blames)
	}
}

func lookRetry(f *fields, b *joconde.Retry) {
	f.step(b.Task, b.Party, b.At)
	f.attempt(b.Attempt)
}
