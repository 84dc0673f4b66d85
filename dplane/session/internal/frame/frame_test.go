package frame

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

func FuzzParse(f *testing.F) {
	for _, h := range []Header{
		{Kind: Data, Step: 1, Length: 5}, {Kind: Open, Opening: 3, Step: 9, Length: 3 * Piece, Offset: 2 * Piece},
		{Kind: Abort, Step: 4, Length: AccusationSize}, {Kind: Bye}, {Kind: Wait, Length: AccusationSize},
	} {
		f.Add(Accusation{Stalled, 1, 2}.Append(h.Append(nil)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < HeaderSize+AccusationSize {
			return
		}
		if h, err := Parse((*[HeaderSize]byte)(b)); err == nil {
			if !bytes.Equal(h.Append(nil), b[:HeaderSize]) {
				t.Errorf("%x and %+v are not the same", b[:HeaderSize], h)
			}
			if n := h.Payload(); n < 0 || n > Piece || (h.Kind == Data || h.Kind == Open) && n == 0 {
				t.Errorf("%+v has a payload of %d bytes", h, n)
			}
		}
		rest := b[HeaderSize:]
		if a, err := ParseAccusation((*[AccusationSize]byte)(rest), 3); err == nil {
			if !bytes.Equal(a.Append(nil), rest[:AccusationSize]) || a.Blame > 2 || a.By > 2 {
				t.Errorf("%x and %+v are not the same", rest, a)
			}
		}
	})
}

func TestWhatAMessageIsCutIntoAddsUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		length := rapid.IntRange(1, 5*Piece).Draw(t, "length")
		total := int64(0)
		for h := (Header{Kind: Data, Step: 1, Length: uint64(length)}); h.Offset < h.Length; h.Offset += uint64(h.Payload()) {
			parsed, err := Parse((*[HeaderSize]byte)(h.Append(nil)))
			if err != nil || parsed != h {
				t.Fatalf("%+v was read as %+v, %v", h, parsed, err)
			}
			total += HeaderSize + int64(h.Payload())
		}
		if total != Size(length) {
			t.Fatalf("a message of %d bytes travels in %d, not %d", length, total, Size(length))
		}
	})
}

func TestHeadersThatNobodySendsAreRefused(t *testing.T) {
	for name, h := range map[string]Header{
		"no kind":                    {Step: 1, Length: 1},
		"an unknown kind":            {Kind: 6, Step: 1, Length: 1},
		"an empty message":           {Kind: Data, Step: 1},
		"a message beyond the limit": {Kind: Data, Step: 1, Length: MaxLength + 1},
		"a length that overflows":    {Kind: Data, Step: 1, Length: 1<<64 - 1, Offset: 1 << 63},
		"a piece beyond the end":     {Kind: Data, Step: 1, Length: 5, Offset: Piece},
		"a piece that is no piece":   {Kind: Data, Step: 1, Length: 5, Offset: 1},
		"data with an opening":       {Kind: Data, Opening: 1, Step: 1, Length: 5},
		"an abort that says more":    {Kind: Abort, Length: AccusationSize + 1},
		"a bye with a payload":       {Kind: Bye, Length: 1},
		"a bye with a step":          {Kind: Bye, Step: 1},
	} {
		if _, err := Parse((*[HeaderSize]byte)(h.Append(nil))); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}
