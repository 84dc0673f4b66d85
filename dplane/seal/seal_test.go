package seal

import (
	"bytes"
	"crypto/hpke"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"joconde"
)

var update = flag.Bool("update", false, "write golden files again")

func key(t testing.TB) *Key {
	t.Helper()
	k, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func info() Info {
	return InputInfo(joconde.Digest{1}, 1, joconde.Digest{2}, "ee", "node-1", 0, 0)
}

// text gives bytes that differ everywhere, so that nothing can move unseen.
func text(n int) []byte {
	b := make([]byte, 0, n+4)
	for i := 0; len(b) < n; i += 4 {
		b = binary.BigEndian.AppendUint32(b, uint32(i)*2654435761+1)
	}
	return b[:n]
}

func TestWhatIsSealedOpens(t *testing.T) {
	k := key(t)
	for _, length := range []int{0, 1, 8, chunkSize - lengthSize - 1, chunkSize - lengthSize, chunkSize - lengthSize + 1, 2*chunkSize - lengthSize, 3 * chunkSize} {
		for _, padding := range []int{0, 1, 100, chunkSize} {
			t.Run(fmt.Sprintf("%d bytes and %d of padding", length, padding), func(t *testing.T) {
				sealed, err := Seal(k.PublicKey(), info(), text(length), length+padding)
				if err != nil {
					t.Fatal(err)
				}
				if int64(len(sealed)) != Size(length+padding) {
					t.Errorf("it has %d bytes, and Size says %d", len(sealed), Size(length+padding))
				}
				if total, err := Total(sealed); err != nil || total != length+padding {
					t.Errorf("Total gives %d, %v", total, err)
				}
				got, err := Open(k, info(), sealed)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(got, text(length)) {
					t.Error("it opens to something else")
				}
			})
		}
	}
}

func TestLengthsSayOnlyWhatWasAgreed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k, err := NewKey()
		if err != nil {
			t.Fatal(err)
		}
		total := rapid.IntRange(0, 3*chunkSize).Draw(t, "total")
		one := rapid.IntRange(0, total).Draw(t, "one")
		other := rapid.IntRange(0, total).Draw(t, "other")
		first, err := Seal(k.PublicKey(), info(), text(one), total)
		if err != nil {
			t.Fatal(err)
		}
		second, err := Seal(k.PublicKey(), info(), text(other), total)
		if err != nil {
			t.Fatal(err)
		}
		if len(first) != len(second) {
			t.Fatal("two shares of one agreed length have sealed lengths that differ")
		}
		if bytes.Equal(first[headerSize:headerSize+encSize], second[headerSize:headerSize+encSize]) {
			t.Fatal("sealing anew used the same encapsulation")
		}
	})
}

// rejoin cuts what is sealed into its head and chunks, and joins them again as
// told.
func rejoin(sealed []byte, order ...int) []byte {
	head, rest := sealed[:headerSize+encSize], sealed[headerSize+encSize:]
	var pieces [][]byte
	for len(rest) > 0 {
		n := min(len(rest), chunkSize+tagSize)
		pieces, rest = append(pieces, rest[:n]), rest[n:]
	}
	b := bytes.Clone(head)
	for _, i := range order {
		b = append(b, pieces[i]...)
	}
	return b
}

func withTotal(sealed []byte, total int) []byte {
	b := bytes.Clone(sealed)
	binary.BigEndian.PutUint64(b[4:], uint64(total))
	return b
}

func TestWhatWasMeddledWithDoesNotOpen(t *testing.T) {
	k := key(t)
	const total = 4*chunkSize - lengthSize // four full chunks
	sealed, err := Seal(k.PublicKey(), info(), text(total-9), total)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Seal(k.PublicKey(), info(), text(total-9), total)
	if err != nil {
		t.Fatal(err)
	}
	flip := func(at int) []byte { b := bytes.Clone(sealed); b[at] ^= 1; return b }
	body := headerSize + encSize
	step := chunkSize + tagSize
	for _, c := range []struct {
		name   string
		sealed []byte
		want   error
	}{
		{"nothing", nil, ErrTruncated},
		{"a header that is cut", sealed[:7], ErrTruncated},
		{"no chunk", sealed[:body], ErrTruncated},
		{"the last chunk dropped", rejoin(sealed, 0, 1, 2), ErrTruncated},
		{"the last byte dropped", sealed[:len(sealed)-1], ErrTruncated},
		{"a chunk dropped, and the length said anew", withTotal(rejoin(sealed, 0, 1, 2), total-chunkSize), ErrOther},
		{"a byte behind", append(bytes.Clone(sealed), 0), ErrExtended},
		{"a chunk twice", rejoin(sealed, 0, 1, 2, 3, 3), ErrExtended},
		{"a chunk twice, and the length said anew", withTotal(rejoin(sealed, 0, 1, 2, 3, 3), total+chunkSize), ErrOther},
		{"the first two exchanged", rejoin(sealed, 1, 0, 2, 3), ErrOther},
		{"two exchanged", rejoin(sealed, 0, 2, 1, 3), ErrAltered},
		{"the last two exchanged", rejoin(sealed, 0, 1, 3, 2), ErrAltered},
		{"a chunk in place of the next", rejoin(sealed, 0, 1, 1, 3), ErrAltered},
		{"the head of another share", append(bytes.Clone(again[:body]), sealed[body:]...), ErrOther},
		{"the last chunk of another share", append(bytes.Clone(sealed[:body+3*step]), again[body+3*step:]...), ErrAltered},
		{"another magic", flip(0), ErrForm},
		{"a total beyond all", withTotal(sealed, MaxTotal+1), ErrForm},
		{"a total that is negative", withTotal(sealed, -1), ErrForm},
		{"a bit of the ML-KEM encapsulation", flip(headerSize + 5), ErrOther},
		{"a bit of the X25519 encapsulation", flip(body - 20), ErrOther},
		{"a bit of the first chunk", flip(body + 9), ErrOther},
		{"a bit of the second chunk", flip(body + step + 9), ErrAltered},
		{"a bit of the last tag", flip(len(sealed) - 1), ErrAltered},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Open(k, info(), c.sealed)
			if got != nil || !errors.Is(err, c.want) {
				t.Fatalf("got %d bytes and %v, want %v", len(got), err, c.want)
			}
			var problem *joconde.Problem
			if !errors.As(err, &problem) || problem.Code == "" || problem.Do == "" {
				t.Errorf("not written for a person: %#v", err)
			}
			// A stream is refused for the same reasons.
			if _, err := OpenFrom(iotest.OneByteReader(bytes.NewReader(c.sealed)), k, info(), total); err == nil {
				t.Error("opens as a stream")
			}
		})
	}
}

// forge seals a frame of a sender's own making, under an honest total.
func forge(t *testing.T, k *Key, frame []byte, total int) []byte {
	t.Helper()
	context, err := info().encode()
	if err != nil {
		t.Fatal(err)
	}
	enc, sender, err := hpke.NewSender(k.PublicKey().key, hpke.HKDFSHA256(), hpke.AES256GCM(), context)
	if err != nil {
		t.Fatal(err)
	}
	b := append(binary.BigEndian.AppendUint64([]byte(magic), uint64(total)), enc...)
	for i, n := int64(0), chunks(int64(len(frame))); i < n; i++ {
		chunk := frame[i*chunkSize : min(int64(len(frame)), (i+1)*chunkSize)]
		sealed, err := sender.Seal(associated(i, i == n-1, total), chunk)
		if err != nil {
			t.Fatal(err)
		}
		b = append(b, sealed...)
	}
	return b
}

func TestSendersThatWriteAnotherFrameAreRefused(t *testing.T) {
	k := key(t)
	const total = 2 * chunkSize
	frame := func(length uint64, stray ...int) []byte {
		b := binary.BigEndian.AppendUint64(nil, length)
		b = append(b, make([]byte, total)...)
		for _, at := range stray {
			b[lengthSize+at] = 1
		}
		return b
	}
	if got, err := Open(k, info(), forge(t, k, frame(5, 4), total)); err != nil || len(got) != 5 || got[4] != 1 {
		t.Fatalf("an honest frame: %x, %v", got, err)
	}
	for name, f := range map[string][]byte{
		"more than there is":             frame(total + 1),
		"a length that is negative":      frame(1<<64 - 1),
		"a length of the greatest int":   frame(1<<63 - 1),
		"padding right behind":           frame(5, 5),
		"padding at the very end":        frame(5, total-1),
		"padding in a chunk of its own":  frame(5, chunkSize),
		"padding behind nothing at all":  frame(0, 0),
		"padding behind the first chunk": frame(chunkSize, chunkSize),
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := Open(k, info(), forge(t, k, f, total)); got != nil || !errors.Is(err, ErrForm) {
				t.Fatalf("got %d bytes, %v", len(got), err)
			}
		})
	}
}

func TestEveryByteCounts(t *testing.T) {
	k := key(t)
	sealed, err := Seal(k.PublicKey(), info(), text(20), 32)
	if err != nil {
		t.Fatal(err)
	}
	for i := range sealed {
		for _, with := range []byte{1, 0x80, 0xff} {
			b := bytes.Clone(sealed)
			b[i] ^= with
			if _, err := Open(k, info(), b); err == nil {
				t.Fatalf("with byte %d changed it opens", i)
			}
		}
		if _, err := Open(k, info(), sealed[:i]); !errors.Is(err, ErrTruncated) {
			t.Fatalf("cut at byte %d: %v", i, err)
		}
	}
}

func TestAShareOpensOnlyForItsPurposeAndKey(t *testing.T) {
	k := key(t)
	sealed, err := Seal(k.PublicKey(), info(), text(20), 32)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Info){
		"another task":         func(i *Info) { i.Task[31] ^= 1 },
		"another attempt":      func(i *Info) { i.Attempt = 2 },
		"another bundle set":   func(i *Info) { i.Bundles[0] ^= 1 },
		"another sender":       func(i *Info) { i.From = "at" },
		"another recipient":    func(i *Info) { i.To = "node-2" },
		"another input":        func(i *Info) { i.Name = "1" },
		"another component":    func(i *Info) { i.Component = 1 },
		"the other direction":  func(i *Info) { i.Kind = Output },
		"a name cut elsewhere": func(i *Info) { i.From, i.To = "eenode", "-1" },
	} {
		t.Run(name, func(t *testing.T) {
			other := info()
			change(&other)
			if _, err := Open(k, other, sealed); !errors.Is(err, ErrOther) {
				t.Fatalf("got %v", err)
			}
		})
	}
	t.Run("another key", func(t *testing.T) {
		if _, err := Open(key(t), info(), sealed); !errors.Is(err, ErrOther) {
			t.Fatalf("got %v", err)
		}
	})
	t.Run("no key", func(t *testing.T) {
		for _, none := range []*Key{nil, {}} {
			if _, err := Open(none, info(), sealed); !errors.Is(err, ErrKey) {
				t.Fatalf("got %v", err)
			}
		}
	})
	t.Run("another agreed length", func(t *testing.T) {
		if _, err := OpenFrom(bytes.NewReader(sealed), k, info(), 33); !errors.Is(err, ErrTotal) {
			t.Fatalf("got %v", err)
		}
	})
}

func TestNothingIsSealedForNothingInParticular(t *testing.T) {
	k := key(t)
	for name, change := range map[string]func(*Info){
		"no Info at all":      func(i *Info) { *i = Info{} },
		"no version":          func(i *Info) { i.Version = 0 },
		"a later version":     func(i *Info) { i.Version = 2 },
		"no direction":        func(i *Info) { i.Kind = "" },
		"a new direction":     func(i *Info) { i.Kind = "sideways" },
		"no task":             func(i *Info) { i.Task = joconde.Digest{} },
		"no attempt":          func(i *Info) { i.Attempt = 0 },
		"no bundle set":       func(i *Info) { i.Bundles = joconde.Digest{} },
		"no sender":           func(i *Info) { i.From = "" },
		"no recipient":        func(i *Info) { i.To = "" },
		"no name":             func(i *Info) { i.Name = "" },
		"a component below 0": func(i *Info) { i.Component = -1 },
		"a very long name":    func(i *Info) { i.Name = strings.Repeat("x", maxField+1) },
	} {
		t.Run(name, func(t *testing.T) {
			wrong := info()
			change(&wrong)
			if _, err := Seal(k.PublicKey(), wrong, nil, 0); !errors.Is(err, ErrInfo) {
				t.Errorf("sealing: %v", err)
			}
			sealed, err := Seal(k.PublicKey(), info(), nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := Open(k, wrong, sealed); !errors.Is(err, ErrInfo) {
				t.Errorf("opening: %v", err)
			}
		})
	}
	if _, err := Seal(PublicKey{}, info(), nil, 0); !errors.Is(err, ErrKey) {
		t.Errorf("to nobody: %v", err)
	}
	for _, c := range []struct{ length, total int }{{2, 1}, {0, -1}, {0, MaxTotal + 1}} {
		if _, err := Seal(k.PublicKey(), info(), text(c.length), c.total); !errors.Is(err, ErrTotal) {
			t.Errorf("%d bytes in %d: %v", c.length, c.total, err)
		}
	}
}

func TestNoTwoInfosHaveOneEncoding(t *testing.T) {
	name := rapid.SampledFrom([]string{"a", "b", "ab", "ba", "a\x00", "input", "0", "00"})
	digest := rapid.Custom(func(t *rapid.T) joconde.Digest {
		return joconde.Digest{rapid.Byte().Filter(func(b byte) bool { return b > 0 }).Draw(t, "byte")}
	})
	infos := rapid.Custom(func(t *rapid.T) Info {
		return Info{Version: Version, Kind: rapid.SampledFrom([]Kind{Input, Output}).Draw(t, "kind"), Task: digest.Draw(t, "task"),
			Attempt: rapid.IntRange(1, 3).Draw(t, "attempt"), Bundles: digest.Draw(t, "bundles"), From: joconde.PartyID(name.Draw(t, "from")),
			To: joconde.PartyID(name.Draw(t, "to")), Name: name.Draw(t, "name"), Component: rapid.IntRange(0, 3).Draw(t, "component")}
	})
	rapid.Check(t, func(t *rapid.T) {
		one, other := infos.Draw(t, "one"), infos.Draw(t, "other")
		a, err := one.encode()
		if err != nil {
			t.Fatal(err)
		}
		b, err := other.encode()
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(a, b) != (one == other) {
			t.Fatalf("%+v and %+v", one, other)
		}
	})
}

// An upload that breaks off goes on with the bytes that were kept, from where
// it stopped; what has arrived before is not looked at again.
func TestAnUploadGoesOnWhereItStopped(t *testing.T) {
	k := key(t)
	const total = 3 * chunkSize
	var kept bytes.Buffer
	if err := SealTo(&kept, k.PublicKey(), info(), text(total), total); err != nil {
		t.Fatal(err)
	}
	hash := sha256.Sum256(kept.Bytes())
	for _, stop := range []int{0, 1, headerSize, headerSize + encSize, headerSize + encSize + chunkSize, kept.Len() - 1, kept.Len()} {
		arrived := bytes.Clone(kept.Bytes()[:stop])
		if _, err := Open(k, info(), arrived); stop < kept.Len() && !errors.Is(err, ErrTruncated) {
			t.Errorf("stopped at %d it gives %v", stop, err)
		}
		arrived = append(arrived, kept.Bytes()[len(arrived):]...)
		got, err := Open(k, info(), arrived)
		if err != nil || !bytes.Equal(got, text(total)) || sha256.Sum256(arrived) != hash {
			t.Errorf("stopped at %d it does not go on: %v", stop, err)
		}
	}
}

// short takes some bytes and then is full.
type short struct{ left int }

func (s *short) Write(b []byte) (int, error) {
	n := min(s.left, len(b))
	s.left -= n
	if n < len(b) {
		return n, errFull
	}
	return n, nil
}

var errFull = errors.New("full")

func TestDisksThatAreFullAndLinesThatBreakShow(t *testing.T) {
	k := key(t)
	const total = 2 * chunkSize
	for _, room := range []int{0, headerSize + 3, headerSize + encSize + chunkSize, int(Size(total)) - 1} {
		if err := SealTo(&short{room}, k.PublicKey(), info(), text(total), total); !errors.Is(err, errFull) {
			t.Errorf("with room for %d bytes: %v", room, err)
		}
	}
	sealed, err := Seal(k.PublicKey(), info(), text(total), total)
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	for _, at := range []int{0, headerSize + 3, headerSize + encSize + chunkSize, len(sealed)} {
		r := io.MultiReader(bytes.NewReader(sealed[:at]), iotest.ErrReader(broken))
		if got, err := OpenFrom(r, k, info(), total); got != nil || !errors.Is(err, broken) {
			t.Errorf("broken at %d: %d bytes, %v", at, len(got), err)
		}
	}
	r := io.MultiReader(bytes.NewReader(sealed), strings.NewReader("x"))
	if got, err := OpenFrom(r, k, info(), total); got != nil || !errors.Is(err, ErrExtended) {
		t.Errorf("with a byte behind: %d bytes, %v", len(got), err)
	}
	if got, err := OpenFrom(iotest.HalfReader(bytes.NewReader(sealed)), k, info(), total); err != nil || !bytes.Equal(got, text(total)) {
		t.Errorf("in small pieces: %v", err)
	}
}

func TestNoErrorShowsWhatIsInside(t *testing.T) {
	k := key(t)
	secret := "an income of 5417 euro"
	sealed, err := Seal(k.PublicKey(), info(), []byte(secret), 64)
	if err != nil {
		t.Fatal(err)
	}
	sealed[len(sealed)-1] ^= 1
	_, err = Open(k, info(), sealed)
	b, _ := json.Marshal(err)
	if text := fmt.Sprintf("%+v %#v %s", err, err, b); strings.Contains(text, secret) || strings.Contains(text, k.Public()) {
		t.Errorf("it says %s", text)
	}
}

// The golden share is of version 1 and sealed to a key that is used nowhere
// else. It must open for as long as version 1 is spoken of.
func TestASealedShareOfVersion1StillOpens(t *testing.T) {
	k, err := ParseKey(bytes.Repeat([]byte{0x4a}, KeySize)) // a test key
	if err != nil {
		t.Fatal(err)
	}
	purpose := OutputInfo(joconde.Digest{0xaa, 31: 1}, 2, joconde.Digest{0xbb}, "node-3", "eurostat", "mean_wage", 2)
	file := filepath.Join("testdata", "sealed-v1.hex")
	if *update {
		sealed, err := Seal(k.PublicKey(), purpose, text(100), 128)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(hex.Dump(sealed)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	dump, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Open(k, purpose, undump(t, string(dump)))
	if err != nil || !bytes.Equal(got, text(100)) {
		t.Fatalf("it opens to %x, %v", got, err)
	}
	context, err := purpose.encode()
	if err != nil {
		t.Fatal(err)
	}
	const want = "ca0081fd0ec624e46909ff10fc687c38"
	if sum := sha256.Sum256(context); hex.EncodeToString(sum[:16]) != want {
		t.Errorf("the Info is written as\n%s(%x, not %s)", hex.Dump(context), sum[:16], want)
	}
}

func undump(t *testing.T, dump string) []byte {
	t.Helper()
	var b []byte
	for line := range strings.Lines(dump) {
		digits := strings.ReplaceAll(strings.Split(line, "|")[0][8:], " ", "")
		part, err := hex.DecodeString(strings.TrimSpace(digits))
		if err != nil {
			t.Fatal(err)
		}
		b = append(b, part...)
	}
	return b
}

func FuzzOpen(f *testing.F) {
	k := key(f)
	for _, n := range []int{0, 20, chunkSize} {
		sealed, err := Seal(k.PublicKey(), info(), text(n), n+12)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(sealed)
	}
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, b []byte) {
		plaintext, err := Open(k, info(), b)
		total, malformed := Total(b)
		if err == nil && (malformed != nil || int64(len(b)) != Size(total) || len(plaintext) > total) {
			t.Fatal("something opens that has another form")
		}
		again, streamed := OpenFrom(bytes.NewReader(b), k, info(), total)
		if (err == nil) != (streamed == nil && malformed == nil) || !bytes.Equal(again, plaintext) {
			t.Fatalf("whole %v, as a stream %v", err, streamed)
		}
	})
}
