package audit

import (
	"encoding/base64"
	"errors"
	"fmt"

	"joconde"
	"joconde/record"
)

// Format is the format of a bundle file and of a Report.
const Format = 1

// Bundle is everything that a stranger needs to verify a task, in one file of
// canonical JSON. Envelopes and the checkpoint are in base64 of the standard
// alphabet with padding.
type Bundle struct {
	Format        int      `json:"format"`
	Organisations []string `json:"organisations"` // directory entries; one comes after the entry that it replaces
	Records       []Entry  `json:"records"`       // the task first, then its records as they stand in the log
	Checkpoint    string   `json:"checkpoint"`    // signed by the log; every proof is under this one
}

// Entry is a record and the proof that it is in the log.
type Entry struct {
	Envelope string `json:"envelope"`
	Proof    Proof  `json:"proof"`
}

// ErrBundle says that bytes are no bundle file.
var ErrBundle = errors.New("not a bundle file")

// NewBundle puts a bundle together from envelopes, their proofs (one for each
// record) and the checkpoint of the proofs.
func NewBundle(organisations, records [][]byte, proofs []Proof, checkpoint []byte) (*Bundle, error) {
	if len(records) != len(proofs) {
		return nil, fmt.Errorf("put a bundle together: %d records have %d proofs", len(records), len(proofs))
	}
	b := &Bundle{
		Format: Format, Organisations: make([]string, len(organisations)), Records: make([]Entry, len(records)),
		Checkpoint: base64.StdEncoding.EncodeToString(checkpoint),
	}
	for i, envelope := range organisations {
		b.Organisations[i] = base64.StdEncoding.EncodeToString(envelope)
	}
	for i, envelope := range records {
		path := proofs[i].Path
		if path == nil {
			path = []string{} // there is no null in a bundle
		}
		b.Records[i] = Entry{base64.StdEncoding.EncodeToString(envelope), Proof{proofs[i].Index, path}}
	}
	return b, nil
}

// Bytes is the bundle as it stands in its file.
func (b *Bundle) Bytes() ([]byte, error) {
	data, err := record.Canonical(b)
	if err != nil {
		return nil, fmt.Errorf("write a bundle: %w", err)
	}
	return data, nil
}

// OpenBundle reads a bundle file and accepts one form only. It says nothing
// about what is inside: see Verify.
func OpenBundle(data []byte) (*Bundle, error) {
	b, _, err := openBundle(data)
	return b, err
}

// contents are a bundle's parts without their base64.
type contents struct {
	organisations [][]byte
	records       [][]byte
	proofs        []Proof
	checkpoint    []byte
}

func openBundle(data []byte) (*Bundle, *contents, error) {
	b := new(Bundle)
	c := new(contents)
	err := record.Strict(data, b)
	switch {
	case err != nil:
	case b.Format != Format:
		err = fmt.Errorf("format %d is not known", b.Format)
	case len(b.Records) == 0:
		err = errors.New("there is no record, not even the task")
	default:
		err = c.decode(b)
	}
	if err != nil {
		return nil, nil, &joconde.Problem{
			Code: "JOC-A020", What: "this is no bundle file, or it was changed", Why: err.Error(),
			Do: "ask for the file again; it must come byte by byte", LeftMachine: joconde.NothingLeft,
			Exit: joconde.ExitUnverified, Err: ErrBundle,
		}
	}
	return b, c, nil
}

func (c *contents) decode(b *Bundle) (err error) {
	if c.checkpoint, err = unbase64(b.Checkpoint); err != nil {
		return fmt.Errorf("the checkpoint: %w", err)
	}
	for i, text := range b.Organisations {
		envelope, err := unbase64(text)
		if err != nil {
			return fmt.Errorf("organisation %d: %w", i+1, err)
		}
		c.organisations = append(c.organisations, envelope)
	}
	for i := range b.Records {
		envelope, err := unbase64(b.Records[i].Envelope)
		if err != nil {
			return fmt.Errorf("record %d: %w", i, err)
		}
		c.records = append(c.records, envelope)
		c.proofs = append(c.proofs, b.Records[i].Proof)
	}
	return nil
}

// unbase64 accepts one spelling only: the decoder alone would skip line ends.
func unbase64(text string) ([]byte, error) {
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil || base64.StdEncoding.EncodeToString(data) != text {
		return nil, errors.New("not base64 in its one form")
	}
	return data, nil
}
