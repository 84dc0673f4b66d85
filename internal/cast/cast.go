// Package cast is the fixed cast of the tests: five organisations, with keys
// that everybody can make from this text. THE KEYS ARE PUBLIC: nothing outside
// of a test may ever trust them. Start with Key, then Play.
package cast

import (
	"crypto/hpke"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"joconde"
	"joconde/record"
)

// The cast, in order of name.
const (
	AT  joconde.PartyID = "at"  // input: a tax agency; also approver
	EE  joconde.PartyID = "ee"  // input: a population register
	EU  joconde.PartyID = "eu"  // proposer and output: a statistics hub; also computing
	Hub joconde.PartyID = "hub" // computing: the operator of the shared service
	PT  joconde.PartyID = "pt"  // computing: a node operator
)

// Parties are all of the cast, in order.
func Parties() []joconde.PartyID { return []joconde.PartyID{AT, EE, EU, Hub, PT} }

// The uses of keys. Node keys carry the attempt: NodeKey.
const (
	Approval   = "approval"
	Operations = "operations"
	Result     = "result"
)

// Start is the time at which all stories of the cast begin.
var Start = time.Date(2026, 1, 2, 9, 0, 0, 0, time.UTC)

func seed(party joconde.PartyID, use string) []byte {
	sum := sha256.Sum256([]byte("joconde: a test key that everybody knows: " + string(party) + " " + use))
	return sum[:]
}

// Key is the Ed25519 key of a party for a use. The same words give the same key.
func Key(party joconde.PartyID, use string) *record.Key {
	k, err := record.KeyFromSeed(seed(party, use))
	if err != nil {
		panic(err) // a SHA-256 has the length of a seed
	}
	return k
}

// NodeKey is the receipt key of a party's node in an attempt.
func NodeKey(party joconde.PartyID, attempt int) *record.Key {
	return Key(party, fmt.Sprintf("receipt %d", attempt))
}

// ResultKey is the key to which a party's results are sealed.
func ResultKey(party joconde.PartyID) hpke.PrivateKey { return sealingKey(party, Result) }

// UploadKey is the key to which inputs are sealed for a party's node.
func UploadKey(party joconde.PartyID, attempt int) hpke.PrivateKey {
	return sealingKey(party, fmt.Sprintf("upload %d", attempt))
}

func sealingKey(party joconde.PartyID, use string) hpke.PrivateKey {
	k, err := hpke.MLKEM768X25519().DeriveKeyPair(seed(party, use))
	if err != nil {
		panic(err) // 32 bytes are enough for every key
	}
	return k
}

// Entry is a party's entry in the directory, the first of its chain.
func Entry(party joconde.PartyID) *joconde.Organisation {
	return &joconde.Organisation{
		Party: party, LegalName: "Test organisation " + string(party),
		ApprovalKey: Key(party, Approval).Public(), OperationsKey: Key(party, Operations).Public(),
		ResultKey: hex.EncodeToString(ResultKey(party).PublicKey().Bytes()),
		ValidFrom: joconde.FormatTime(Start.AddDate(-1, 0, 0)), ValidUntil: joconde.FormatTime(Start.AddDate(1, 0, 0)),
	}
}

// Organisation is the envelope of Entry.
func Organisation(party joconde.PartyID) []byte {
	return must(record.Sign(joconde.KindOrganisation, Entry(party), Key(party, Approval)))
}

// Organisations are the envelopes of all of the cast.
func Organisations() [][]byte {
	var out [][]byte
	for _, p := range Parties() {
		out = append(out, Organisation(p))
	}
	return out
}

// Terms are the terms of a task of the cast. The caller may change them.
func Terms() *joconde.Task {
	t := &joconde.Task{
		Format: 1, Title: "Wages by region", Purpose: "A test of the records of a task.",
		Legal:    joconde.Legal{Basis: "none: test data", Categories: []string{"invented persons"}, Retention: "none"},
		Nonce:    hex.EncodeToString(seed(EU, "task nonce")),
		Proposer: EU,
		Source:   "CREATE TABLE ee.person (id BIGINT PRIMARY KEY);\n",
		Program:  label("program"), Statement: label("statement"), Compiler: "test", Lowering: "test",
		Rows:   []joconde.Bound{{Table: "at.wage", Rows: 100}, {Table: "ee.person", Rows: 100}},
		Engine: "rep3", Platforms: []string{"sim"}, TestData: true,
		LogKey: "log.test+00000000+AAAA",
		Deadlines: joconde.Deadline{
			ApproveBy: joconde.FormatTime(Start.Add(1 * time.Hour)), EstablishBy: joconde.FormatTime(Start.Add(2 * time.Hour)),
			InputBy: joconde.FormatTime(Start.Add(3 * time.Hour)), RunSeconds: 3600, DeleteBy: joconde.FormatTime(Start.Add(24 * time.Hour)),
		},
		Attempts: 2,
	}
	for _, p := range Parties() {
		roles := map[joconde.PartyID][]joconde.Role{
			AT:  {joconde.Approver, joconde.InputParty},
			EE:  {joconde.InputParty},
			EU:  {joconde.ComputingParty, joconde.OutputParty},
			Hub: {joconde.ComputingParty},
			PT:  {joconde.ComputingParty},
		}[p]
		u, err := record.Peek(Organisation(p))
		if err != nil {
			panic(err)
		}
		t.Parties = append(t.Parties, joconde.Member{Party: p, Roles: roles, Record: u.ID})
		if slices.Contains(roles, joconde.ComputingParty) {
			t.Computing = append(t.Computing, joconde.Place{Party: p, Chips: []string{"sim:" + string(p)}, Measurements: []string{"sim:node"}})
		}
	}
	return t
}

func label(text string) joconde.Digest { return sha256.Sum256([]byte("test: " + text)) }

func must(raw []byte, err error) []byte {
	if err != nil {
		panic(err) // the cast says only what is right
	}
	return raw
}
