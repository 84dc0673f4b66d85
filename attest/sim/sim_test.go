package sim

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"joconde"
	"joconde/attest"
)

var (
	testKey = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{0x4a}, ed25519.SeedSize)) // a test key
	data    = [64]byte{1, 2, 3}
)

func honest() quote {
	public := testKey.Public().(ed25519.PublicKey)
	return quote{Chip: chip(public), DeviceKey: hex.EncodeToString(public), Format: 1, Launch: taskBound,
		Measurement: strings.Repeat("ab", 32), Platform: "sim", ReportData: hex.EncodeToString(data[:])}
}

func policy() attest.Policy {
	return attest.Policy{Platforms: []string{"sim"}, Measurements: []string{honest().Measurement}, Chips: []string{honest().Chip}, AllowDevelopment: attest.TestData}
}

// sign gives evidence as the device's owner could make it with a program of
// his own.
func sign(t *testing.T, q quote, key ed25519.PrivateKey) joconde.Evidence {
	t.Helper()
	raw, err := json.Marshal(signed{q, hex.EncodeToString(ed25519.Sign(key, q.message()))})
	if err != nil {
		t.Fatal(err)
	}
	return joconde.Evidence{Platform: "sim", Raw: hex.EncodeToString(raw)}
}

func TestADeviceThatSignsWhatADeviceDoesNotSayIsRefused(t *testing.T) {
	if claims, err := (Platform{}).Verify(t.Context(), sign(t, honest(), testKey), data, policy()); err != nil || !claims.Development || claims.TaskBound || claims.Launch() != "task-bound launch: no" {
		t.Fatalf("what it does say: %+v, %v", claims, err)
	}
	for name, c := range map[string]struct {
		change func(*quote)
		want   error
	}{
		"a task-bound launch":            {func(q *quote) { q.Launch = "task-bound launch: yes" }, attest.ErrEvidence},
		"no word about its launch":       {func(q *quote) { q.Launch = "" }, attest.ErrEvidence},
		"another platform":               {func(q *quote) { q.Platform = "snp" }, attest.ErrEvidence},
		"another format":                 {func(q *quote) { q.Format = 2 }, attest.ErrEvidence},
		"another's chip":                 {func(q *quote) { q.Chip = strings.Repeat("cd", 32) }, attest.ErrEvidence},
		"another's device key":           {func(q *quote) { q.DeviceKey = strings.Repeat("cd", 32) }, attest.ErrEvidence},
		"a device key in upper case":     {func(q *quote) { q.DeviceKey = strings.ToUpper(q.DeviceKey) }, attest.ErrEvidence},
		"a device key that is too short": {func(q *quote) { q.DeviceKey = q.DeviceKey[2:] }, attest.ErrEvidence},
		"no device key":                  {func(q *quote) { q.DeviceKey = "" }, attest.ErrEvidence},
		"a measurement that is none":     {func(q *quote) { q.Measurement = "the best node" }, attest.ErrEvidence},
		"no measurement":                 {func(q *quote) { q.Measurement = "" }, attest.ErrEvidence},
		"report data that is too short":  {func(q *quote) { q.ReportData = q.ReportData[2:] }, attest.ErrEvidence},
		"report data in upper case":      {func(q *quote) { q.ReportData = strings.ToUpper("ab" + q.ReportData[2:]) }, attest.ErrEvidence},
		"other report data":              {func(q *quote) { q.ReportData = "ff" + q.ReportData[2:] }, attest.ErrReportData},
		"another measurement":            {func(q *quote) { q.Measurement = strings.Repeat("cd", 32) }, attest.ErrPolicy},
		"text with a script in it":       {func(q *quote) { q.Launch = "<script>" }, attest.ErrEvidence},
		"text that is not UTF-8":         {func(q *quote) { q.Launch = "\xff" }, attest.ErrEvidence},
	} {
		t.Run(name, func(t *testing.T) {
			q := honest()
			c.change(&q)
			if claims, err := (Platform{}).Verify(t.Context(), sign(t, q, testKey), data, policy()); claims != (attest.Claims{}) || !errors.Is(err, c.want) {
				t.Fatalf("got %+v, %v, want %v", claims, err, c.want)
			}
		})
	}
	t.Run("the signature of another device", func(t *testing.T) {
		other := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{0x4b}, ed25519.SeedSize))
		if _, err := (Platform{}).Verify(t.Context(), sign(t, honest(), other), data, policy()); !errors.Is(err, attest.ErrEvidence) {
			t.Fatalf("got %v", err)
		}
	})
}

func TestEvidenceHasOneForm(t *testing.T) {
	raw, err := hex.DecodeString(sign(t, honest(), testKey).Raw)
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	for name, other := range map[string]string{
		"a space":                strings.Replace(text, ":", ": ", 1),
		"a line at the end":      text + "\n",
		"a second value":         text + "{}",
		"a name that is unknown": strings.Replace(text, `{"chip"`, `{"a":1,"chip"`, 1),
		"a name twice":           strings.Replace(text, `"format":1`, `"format":1,"format":1`, 1),
		"a name in capitals":     strings.Replace(text, `"format"`, `"Format"`, 1),
		"a name left out":        strings.Replace(text, `"format":1,`, ``, 1),
		"a number with a point":  strings.Replace(text, `"format":1`, `"format":1.0`, 1),
		"a number as text":       strings.Replace(text, `"format":1`, `"format":"1"`, 1),
		"null":                   strings.Replace(text, `"format":1`, `"format":null`, 1),
		"an escape":              strings.Replace(text, `"sim"`, `"\u0073im"`, 1),
		"deep nesting":           strings.Repeat("[", attest.MaxEvidence/2),
	} {
		t.Run(name, func(t *testing.T) {
			if other == text {
				t.Fatal("the test changed nothing")
			}
			e := joconde.Evidence{Platform: "sim", Raw: hex.EncodeToString([]byte(other))}
			if _, err := (Platform{}).Verify(t.Context(), e, data, policy()); !errors.Is(err, attest.ErrEvidence) {
				t.Fatalf("got %v", err)
			}
		})
	}
	golden := strings.ReplaceAll(`{"quote":{"chip":"`+honest().Chip+`","device_key":"`+honest().DeviceKey+`","format":1,"launch":"task-bound launch: no",
"measurement":"`+honest().Measurement+`","platform":"sim","report_data":"010203`+strings.Repeat("00", 61)+`"},"signature":"`, "\n", "")
	if !strings.HasPrefix(text, golden) || len(text) != len(golden)+128+2 {
		t.Errorf("the form has changed: %s", text)
	}
}

func TestAMeasurementIsTheHashOfTheExecutable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "node")
	if err := os.WriteFile(file, []byte("a node"), 0o700); err != nil {
		t.Fatal(err)
	}
	want := sha256.Sum256([]byte("a node"))
	if got, err := (Platform{}).Measure(file); err != nil || got != hex.EncodeToString(want[:]) {
		t.Errorf("got %q, %v", got, err)
	}
	for _, none := range []string{file + "2", filepath.Dir(file)} {
		if got, err := (Platform{}).Measure(none); err == nil {
			t.Errorf("%s measures %s", none, got)
		}
	}
}

func TestADeviceFileIsItsOwnersAlone(t *testing.T) {
	device := filepath.Join(t.TempDir(), "device")
	first, err := Platform{}.Enrol(device)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(device)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("its mode is %v, %v", info.Mode(), err)
	}
	entries, err := os.ReadDir(filepath.Dir(device))
	if err != nil || len(entries) != 1 {
		t.Errorf("beside it lie %v, %v", entries, err)
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o660, 0o601} {
		if err := os.Chmod(device, mode); err != nil {
			t.Fatal(err)
		}
		if runtime.GOOS == "windows" {
			t.Skip("there are no modes here")
		}
		if _, err := (Platform{}).Enrol(device); !errors.Is(err, ErrDevice) {
			t.Errorf("with mode %v: %v", mode, err)
		}
		if _, err := (Platform{}).Open(device, device); !errors.Is(err, ErrDevice) {
			t.Errorf("with mode %v: %v", mode, err)
		}
	}
	if err := os.Chmod(device, 0o400); err != nil {
		t.Fatal(err)
	}
	if again, err := (Platform{}).Enrol(device); err != nil || again != first {
		t.Errorf("read-only it is %q, %v", again, err)
	}
}

func TestWhatIsNoDeviceFileIsNotReplaced(t *testing.T) {
	whole := fileWord + strings.Repeat("4a", 32) + "\n"
	for name, text := range map[string]string{
		"nothing":            "",
		"another file":       "joconde,1\n",
		"no line end":        strings.TrimSuffix(whole, "\n"),
		"a second line":      whole + "\n",
		"upper case":         strings.ToUpper(whole),
		"a key in capitals":  fileWord + strings.Repeat("4A", 32) + "\n",
		"a short key":        fileWord + strings.Repeat("4a", 31) + "\n",
		"a later version":    strings.Replace(whole, "-1 ", "-2 ", 1),
		"a key and no words": strings.Repeat("4a", 32) + "\n",
		"a very long file":   strings.Repeat(whole, 1000),
	} {
		t.Run(name, func(t *testing.T) {
			device := filepath.Join(t.TempDir(), "device")
			if err := os.WriteFile(device, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Platform{}.Enrol(device)
			var problem *joconde.Problem
			if !errors.Is(err, ErrDevice) || !errors.As(err, &problem) || problem.Where != device || strings.Contains(fmt.Sprintf("%+v", *problem), "4a4a") {
				t.Errorf("got %v", err)
			}
			if after, err := os.ReadFile(device); err != nil || string(after) != text {
				t.Errorf("the file was changed: %v", err)
			}
		})
	}
	device := filepath.Join(t.TempDir(), "device")
	if _, err := (Platform{}).Open(device, device); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("none at all: %v", err)
	}
	if _, err := (Platform{}).Enrol(filepath.Join(device, "device")); err == nil {
		t.Error("enrolled in a folder that is not there")
	}
	if err := os.WriteFile(device, []byte(whole), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := (Platform{}).Enrol(device); err != nil || got != honest().Chip {
		t.Errorf("a whole one: %q, %v", got, err)
	}
}

func TestTwoThatEnrolAtOnceGetOneDevice(t *testing.T) {
	device := filepath.Join(t.TempDir(), "device")
	chips := make([]string, 8)
	var all sync.WaitGroup
	for i := range chips {
		all.Go(func() {
			var err error
			if chips[i], err = (Platform{}).Enrol(device); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, c := range chips {
		if c != chips[0] {
			t.Fatal("they got different devices")
		}
	}
}

func TestADeviceDoesNotPrintItsKey(t *testing.T) {
	d := &Device{testKey, "m"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		if said := fmt.Sprintf(verb+verb, d, *d); strings.Contains(said, "4a4a") || strings.Contains(said, "74 74") || strings.Contains(said, "0x4a") {
			t.Errorf("%s: %s", verb, said)
		}
	}
}
