package record

import (
	"bytes"
	"strings"
	"testing"
)

// sample has one field of each kind that records use.
type sample struct {
	Zebra string            `json:"zebra"`
	Apple int64             `json:"apple"`
	List  []string          `json:"list,omitempty"`
	Map   map[string]uint32 `json:"map,omitempty"`
	Inner *sample           `json:"inner,omitempty"`
	Yes   bool              `json:"yes,omitempty"`
}

func TestCanonicalForm(t *testing.T) {
	for _, c := range []struct {
		name string
		v    any
		want string // or, after "!", a part of the error
	}{
		{"names stand in byte order", sample{Zebra: "z", Apple: -1}, `{"apple":-1,"zebra":"z"}`},
		{"also in maps", sample{Map: map[string]uint32{"é": 1, "z": 2, "a": 3}}, `{"apple":0,"map":{"a":3,"z":2,"é":1},"zebra":""}`},
		{"nothing is escaped for HTML", "<a href='x'>&</a>", `"<a href='x'>&</a>"`},
		{"the shortest escapes", "\"\\\b\f\n\r\t\x01\x1f/\u2028\x7f", "\"\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001f/\u2028\x7f\""},
		{"text beyond the first plane", "𝄞", `"𝄞"`},
		{"the greatest integer", int64(1<<53 - 1), `9007199254740991`},
		{"one more", int64(1 << 53), "!2^53"},
		{"the least integer", int64(1 - 1<<53), `-9007199254740991`},
		{"one less", int64(-1 << 53), "!2^53"},
		{"the greatest of all", uint64(1<<64 - 1), "!2^53"},
		{"a float", 1.5, "!exact"},
		{"a whole float", 1.0, "!exact"},
		{"a float deep inside", []map[string]struct{ F *float32 }{}, "!exact"},
		{"a float that nobody declared", []any{1.5}, "!integer"},
		{"null", (*sample)(nil), "!null"},
		{"a list that is absent", struct {
			L []string `json:"l"`
		}{}, "!l: null"},
		{"broken UTF-8", "a\xff", "!UTF-8"},
		{"the sign of broken UTF-8", "a\uFFFD", "!UTF-8"},
		{"text that is not in normal form C", "e\u0301", "!normal form"},
		{"a name that is not", map[string]int{"e\u0301": 1}, "!normal form"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Canonical(c.v)
			if message, bad := strings.CutPrefix(c.want, "!"); bad {
				if err == nil || !strings.Contains(err.Error(), message) {
					t.Errorf("got %s, %v", got, err)
				}
				return
			}
			if err != nil || string(got) != c.want {
				t.Errorf("got %s, %v; want %s", got, err, c.want)
			}
		})
	}
}

func TestStrictAcceptsOneFormOnly(t *testing.T) {
	const good = `{"apple":1,"inner":{"apple":2,"zebra":"é"},"list":["b","a"],"zebra":"z"}`
	for _, c := range []struct {
		name, data string
		ok         bool
	}{
		{"the canonical form", good, true},
		{"a space", `{"apple":1, "zebra":"z"}`, false},
		{"a line break at the end", good + "\n", false},
		{"more after the end", good + `{}`, false},
		{"nothing", ``, false},
		{"half of it", good[:20], false},
		{"names out of order", `{"zebra":"z","apple":1}`, false},
		{"an unknown name", `{"apple":1,"mango":1,"zebra":"z"}`, false},
		{"a name in capitals", `{"Apple":1,"zebra":"z"}`, false},
		{"a name twice", `{"apple":1,"apple":1,"zebra":"z"}`, false},
		{"a name twice in a map", `{"apple":1,"map":{"a":1,"a":1},"zebra":"z"}`, false},
		{"a missing name", `{"apple":1}`, false},
		{"an empty list where it is left out", `{"apple":1,"list":[],"zebra":"z"}`, false},
		{"null", `{"apple":1,"list":null,"zebra":"z"}`, false},
		{"null for all", `null`, false},
		{"another spelling of a number", `{"apple":1.0,"zebra":"z"}`, false},
		{"an exponent", `{"apple":1e0,"zebra":"z"}`, false},
		{"minus zero", `{"apple":-0,"zebra":"z"}`, false},
		{"a needless escape", `{"apple":1,"zebra":"\u007a"}`, false},
		{"an escape in capitals", `{"apple":1,"zebra":"\u001F"}`, false},
		{"half of a pair", `{"apple":1,"zebra":"\ud800"}`, false},
		{"broken UTF-8", "{\"apple\":1,\"zebra\":\"\xff\"}", false},
		{"another type", `{"apple":"1","zebra":"z"}`, false},
		{"a list of too many levels", strings.Repeat("[", 100_000), false},
		{"brackets in text are no levels", `{"apple":1,"zebra":"` + strings.Repeat("[", 1000) + `"}`, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := sample{Zebra: "before"}
			err := Strict([]byte(c.data), &v)
			if (err == nil) != c.ok {
				t.Fatalf("got %v", err)
			}
			if err != nil && v.Zebra != "before" {
				t.Error("it changed what it was to fill")
			}
		})
	}
}

func TestStrictHasLimits(t *testing.T) {
	var list []string
	if err := Strict(bytes.Repeat([]byte("["), MaxBytes+1), &list); err == nil || !strings.Contains(err.Error(), "longer") {
		t.Errorf("got %v", err)
	}
	var nest any
	depth := func(n int) []byte { return []byte(strings.Repeat("[", n) + strings.Repeat("]", n)) }
	if err := Strict(depth(MaxDepth), &nest); err != nil {
		t.Error(err)
	}
	if err := Strict(depth(MaxDepth+1), &nest); err == nil || !strings.Contains(err.Error(), "deeper") {
		t.Errorf("got %v", err)
	}
	if err := Strict([]byte("1"), list); err == nil {
		t.Error("it fills what is no pointer")
	}
}

func FuzzStrict(f *testing.F) {
	f.Add([]byte(`{"apple":1,"inner":{"apple":2,"zebra":"é"},"list":["b","a"],"zebra":"z"}`))
	f.Add([]byte(`{"apple":-0,"zebra":"\u0000"}`))
	f.Add([]byte(`{"apple":9007199254740991,"map":{"":1},"yes":true,"zebra":""}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var v sample
		if Strict(data, &v) == nil {
			again, err := Canonical(v)
			if err != nil || !bytes.Equal(again, data) {
				t.Fatalf("accepted %q, writes %q (%v)", data, again, err)
			}
		}
		var tree any
		if Strict(data, &tree) == nil {
			again, err := Canonical(tree)
			if err != nil || !bytes.Equal(again, data) {
				t.Fatalf("accepted %q, writes %q (%v)", data, again, err)
			}
		}
	})
}
