// Package sim is a platform for development. It protects nothing: a device is
// a key in a file, and whoever can read the file can vouch for anything. It
// keeps the same contract as real platforms, so that all around them can be
// built and tested without one; its claims say Development, and no policy
// admits them but that of a task over test data. A build with the tag release
// does not have it.
//
// Start with Device.Attest and Platform.Verify.
package sim

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"joconde"
	"joconde/attest"
)

// Name is how tasks and evidence call the platform.
const Name = "sim"

// quote is what a device signs. As bytes it is JSON without spaces in exactly
// this order of names, which is their byte order.
type quote struct {
	Chip        string `json:"chip"`        // SHA-256 of the device key, hex
	DeviceKey   string `json:"device_key"`  // Ed25519, hex
	Format      int    `json:"format"`      // 1
	Launch      string `json:"launch"`      // taskBound
	Measurement string `json:"measurement"` // SHA-256 of the node's executable, hex
	Platform    string `json:"platform"`    // Name
	ReportData  string `json:"report_data"` // 64 bytes, hex
}

// signed is the evidence: a quote and the device's signature over label and
// the quote's bytes.
type signed struct {
	Quote     quote  `json:"quote"`
	Signature string `json:"signature"`
}

const (
	format    = 1
	label     = "joconde/attest/sim/v1\n"
	taskBound = "task-bound launch: no"
)

// Platform is the platform as the list has it.
type Platform struct{}

// Platform is "sim".
func (Platform) Platform() string { return Name }

// Verify accepts only the bytes that Attest would have made.
func (Platform) Verify(_ context.Context, e joconde.Evidence, reportData [64]byte, policy attest.Policy) (attest.Claims, error) {
	raw, err := hex.DecodeString(e.Raw)
	if err != nil || len(raw) > attest.MaxEvidence || e.Platform != Name || e.Collateral != "" {
		return attest.Claims{}, attest.Refuse("it is not in the form of platform sim")
	}
	s, err := decode(raw)
	if err != nil {
		return attest.Claims{}, err
	}
	q := &s.Quote
	key, ok := digits(q.DeviceKey, ed25519.PublicKeySize)
	if !ok {
		return attest.Claims{}, attest.Refuse("its device key is malformed")
	}
	signature, ok := digits(s.Signature, ed25519.SignatureSize)
	if !ok || !ed25519.Verify(key, q.message(), signature) {
		return attest.Claims{}, attest.Refuse("its signature does not verify")
	}
	said, ok := digits(q.ReportData, len(reportData))
	if !ok {
		return attest.Claims{}, attest.Refuse("its report data is malformed")
	}
	_, measured := digits(q.Measurement, sha256.Size)
	if q.Format != format || q.Platform != Name || q.Launch != taskBound || q.Chip != chip(key) || !measured {
		return attest.Claims{}, attest.Refuse("it says what a simulated device does not say")
	}
	if subtle.ConstantTimeCompare(said, reportData[:]) != 1 {
		return attest.Claims{}, attest.RefuseReportData()
	}
	claims := attest.Claims{Platform: Name, Chip: q.Chip, Measurement: q.Measurement, Development: true}
	if err := policy.Appraise(claims); err != nil {
		return attest.Claims{}, err
	}
	return claims, nil
}

// decode reads evidence strictly: written again it must be the same bytes.
func decode(raw []byte) (*signed, error) {
	var s signed
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return nil, attest.Refuse("it is not the JSON of platform sim")
	}
	again, err := json.Marshal(s)
	if err != nil || !bytes.Equal(again, raw) {
		return nil, attest.Refuse("it is not in its one form")
	}
	return &s, nil
}

// message is what the device signs.
func (q *quote) message() []byte {
	b, err := json.Marshal(q)
	if err != nil {
		panic(err) // strings and a number: cannot be
	}
	return append([]byte(label), b...)
}

// digits reads n bytes from lower-case hex. Other spellings do not survive
// being written again.
func digits(text string, n int) ([]byte, bool) {
	b, err := hex.DecodeString(text)
	return b, err == nil && len(b) == n && hex.EncodeToString(b) == text
}

func chip(key ed25519.PublicKey) string {
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:])
}

// Measure is the SHA-256 of the node's executable.
func (Platform) Measure(executable string) (string, error) {
	f, err := os.Open(executable)
	if err != nil {
		return "", fmt.Errorf("measure the node: %w", err)
	}
	defer func() { _ = f.Close() }() // only read
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("measure the node: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Device vouches with the key of a device file. It does not print its key.
type Device struct {
	key         ed25519.PrivateKey
	measurement string
}

// Platform is "sim".
func (*Device) Platform() string { return Name }

// Attest signs.
func (d *Device) Attest(ctx context.Context, reportData [64]byte) (joconde.Evidence, error) {
	if err := ctx.Err(); err != nil {
		return joconde.Evidence{}, fmt.Errorf("attest: %w", err)
	}
	public := d.key.Public().(ed25519.PublicKey)
	q := quote{Chip: chip(public), DeviceKey: hex.EncodeToString(public), Format: format, Launch: taskBound,
		Measurement: d.measurement, Platform: Name, ReportData: hex.EncodeToString(reportData[:])}
	raw, err := json.Marshal(signed{Quote: q, Signature: hex.EncodeToString(ed25519.Sign(d.key, q.message()))})
	if err != nil {
		return joconde.Evidence{}, fmt.Errorf("attest: %w", err)
	}
	return joconde.Evidence{Platform: Name, Raw: hex.EncodeToString(raw)}, nil
}

// Format prints that there is a device, whatever the verb.
func (Device) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "(a simulated device)") }
