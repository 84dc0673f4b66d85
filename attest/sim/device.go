package sim

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"joconde"
	"joconde/attest"
)

// A device file is one line: this word and the 32 bytes of the key's seed in
// hex. It is for its owner alone, and a file that others may read is refused.
const (
	fileWord = "joconde-sim-device-1 "
	fileSize = len(fileWord) + 2*ed25519.SeedSize + 1
)

// ErrDevice says that a device file cannot be used.
var ErrDevice = errors.New("the device file cannot be used")

// Enrol makes the device file, if there is none, and gives its chip id. Two
// that do it at once get the same device.
func (Platform) Enrol(device string) (string, error) {
	key, err := read(device)
	if errors.Is(err, fs.ErrNotExist) {
		if err := create(device); err != nil {
			return "", err
		}
		key, err = read(device)
	}
	if err != nil {
		return "", err
	}
	return chip(key.Public().(ed25519.PublicKey)), nil
}

// Open reads the device file and measures the executable.
func (p Platform) Open(device, executable string) (attest.Attester, error) {
	key, err := read(device)
	if err != nil {
		return nil, err
	}
	measurement, err := p.Measure(executable)
	if err != nil {
		return nil, err
	}
	return &Device{key, measurement}, nil
}

// create writes a fresh key beside the file and then gives it its name, which
// fails if somebody was faster: a file once named is whole and never replaced.
func create(device string) error {
	seed := make([]byte, ed25519.SeedSize)
	defer clear(seed)
	_, _ = rand.Read(seed)                                     // never fails: it ends the process first
	f, err := os.CreateTemp(filepath.Dir(device), ".device-*") // made with mode 0600
	if err != nil {
		return fmt.Errorf("make a device file: %w", err)
	}
	defer func() { _ = os.Remove(f.Name()) }() // its second name remains
	_, err = f.WriteString(fileWord + hex.EncodeToString(seed) + "\n")
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Link(f.Name(), device)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make a device file: %w", err)
	}
	return nil
}

// read accepts only a whole device file that is its owner's alone.
func read(device string) (ed25519.PrivateKey, error) {
	f, err := os.Open(device)
	if err != nil {
		return nil, fmt.Errorf("read the device file: %w", err)
	}
	defer func() { _ = f.Close() }() // only read
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read the device file: %w", err)
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 {
		return nil, refuse(device, "others than its owner may read it", "chmod 600 "+device+", and make another device if somebody did read it")
	}
	text := make([]byte, fileSize+1)
	defer clear(text)
	n, err := io.ReadFull(f, text)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read the device file: %w", err)
	}
	line, whole := strings.CutSuffix(string(text[:n]), "\n")
	seed, ok := digits(strings.TrimPrefix(line, fileWord), ed25519.SeedSize)
	defer clear(seed)
	if n != fileSize || !whole || !strings.HasPrefix(line, fileWord) || !ok {
		return nil, refuse(device, "it is not a device file of version 1", "name another file, or remove this one to make a new device")
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

func refuse(device, why, do string) error {
	return &joconde.Problem{Code: "JOC-E030", What: ErrDevice.Error(), Where: device, Why: why, Do: do, LeftMachine: joconde.NothingLeft, Exit: joconde.ExitUsage, Err: ErrDevice}
}
