// Package record holds signed records: canonical bytes, the envelopes and keys
// around them, and a task's ledger. It is trusted to let no two different byte
// strings decode to the same record, and to count a record only if exactly the
// keys have signed it that the terms give its party for its kind. It knows no
// clock, no network and no coordinator. Start with Ledger (ledger.go), then
// envelope.go and form.go; Canonical and Strict are the bytes below.
package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Limits of canonical bytes. A record beyond them is refused, by the writer
// and by the reader alike.
const (
	MaxBytes = 16 << 20
	MaxDepth = 512 // nested objects and arrays
)

// maxInteger is the first integer that not every JSON reader keeps exactly.
// Larger numbers travel as decimal strings.
const maxInteger = 1 << 53

// Canonical writes v as JSON in the one form that is signed and digested: no
// spaces, the names of each object in byte order of their UTF-8, integers only
// and closer to zero than 2^53, no null, text in NFC with the shortest escapes.
// U+FFFD is refused, because Go puts it in place of broken UTF-8.
func Canonical(v any) ([]byte, error) {
	if err := refuseFloats(reflect.TypeOf(v), map[reflect.Type]bool{}); err != nil {
		return nil, fmt.Errorf("canonical JSON: %w", err)
	}
	loose, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("canonical JSON: %w", err)
	}
	canonical, err := rewrite(loose)
	if err != nil {
		return nil, fmt.Errorf("canonical JSON: %w", err)
	}
	return canonical, nil
}

// Strict decodes data to what v points to, and accepts only the bytes that
// Canonical gives for it: unknown or repeated names, other spellings, null,
// and anything after the end are refused. On an error v is unchanged.
func Strict(data []byte, v any) error {
	target := reflect.ValueOf(v)
	if target.Kind() != reflect.Pointer || target.IsNil() {
		return errors.New("canonical JSON: decoding needs a pointer")
	}
	if err := limits(data); err != nil {
		return fmt.Errorf("canonical JSON: %w", err)
	}
	fresh := reflect.New(target.Type().Elem())
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	d.UseNumber()
	if err := d.Decode(fresh.Interface()); err != nil {
		return fmt.Errorf("canonical JSON: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("canonical JSON: there are bytes after the end")
	}
	again, err := Canonical(fresh.Interface())
	if err != nil {
		return err
	}
	if !bytes.Equal(again, data) {
		return errors.New("canonical JSON: the same record has another canonical form")
	}
	target.Elem().Set(fresh.Elem())
	return nil
}

// limits looks at size, encoding and nesting before anything is built.
func limits(data []byte) error {
	if len(data) > MaxBytes {
		return fmt.Errorf("longer than %d bytes", MaxBytes)
	}
	if !utf8.Valid(data) {
		return errors.New("not UTF-8")
	}
	depth, quoted := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > MaxDepth {
				return fmt.Errorf("nested deeper than %d", MaxDepth)
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return nil
}

// refuseFloats looks at types, because a float that happens to be whole would
// pass as an integer today and fail tomorrow.
func refuseFloats(t reflect.Type, seen map[reflect.Type]bool) error {
	if t == nil || seen[t] {
		return nil
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Float32, reflect.Float64, reflect.Complex64, reflect.Complex128:
		return fmt.Errorf("type %s is not exact", t)
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return refuseFloats(t.Elem(), seen)
	case reflect.Map:
		return refuseFloats(t.Elem(), seen)
	case reflect.Struct:
		for i := range t.NumField() {
			if f := t.Field(i); f.Tag.Get("json") != "-" && f.IsExported() {
				if err := refuseFloats(f.Type, seen); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// rewrite turns JSON into its canonical form.
func rewrite(loose []byte) ([]byte, error) {
	if err := limits(loose); err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(loose))
	d.UseNumber()
	var tree any
	if err := d.Decode(&tree); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := write(&out, tree); err != nil {
		return nil, err
	}
	if out.Len() > MaxBytes {
		return nil, fmt.Errorf("longer than %d bytes", MaxBytes)
	}
	return out.Bytes(), nil
}

func write(out *bytes.Buffer, tree any) error {
	switch node := tree.(type) {
	case bool:
		out.WriteString(strconv.FormatBool(node))
	case json.Number:
		return writeInteger(out, string(node))
	case string:
		return writeText(out, node)
	case []any:
		out.WriteByte('[')
		for i, item := range node {
			if i > 0 {
				out.WriteByte(',')
			}
			if err := write(out, item); err != nil {
				return err
			}
		}
		out.WriteByte(']')
	case map[string]any:
		return writeObject(out, node)
	default:
		return errors.New("null has no place in a record")
	}
	return nil
}

func writeObject(out *bytes.Buffer, object map[string]any) error {
	names := make([]string, 0, len(object))
	for name := range object {
		names = append(names, name)
	}
	slices.Sort(names)
	out.WriteByte('{')
	for i, name := range names {
		if i > 0 {
			out.WriteByte(',')
		}
		if err := writeText(out, name); err != nil {
			return err
		}
		out.WriteByte(':')
		if err := write(out, object[name]); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	out.WriteByte('}')
	return nil
}

func writeInteger(out *bytes.Buffer, text string) error {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n >= maxInteger || n <= -maxInteger {
		return errors.New("a number is not an integer below 2^53")
	}
	out.WriteString(strconv.FormatInt(n, 10))
	return nil
}

// shortest are the escapes of JSON that are shorter than \u00xx.
var shortest = map[rune]string{'"': `\"`, '\\': `\\`, '\b': `\b`, '\f': `\f`, '\n': `\n`, '\r': `\r`, '\t': `\t`}

func writeText(out *bytes.Buffer, text string) error {
	if strings.ContainsRune(text, utf8.RuneError) {
		return errors.New("a text is not UTF-8, or has U+FFFD where broken UTF-8 was")
	}
	if !norm.NFC.IsNormalString(text) {
		return errors.New("a text is not in Unicode's normal form C")
	}
	out.WriteByte('"')
	for _, c := range text {
		if escape, found := shortest[c]; found {
			out.WriteString(escape)
		} else if c < ' ' {
			fmt.Fprintf(out, `\u%04x`, c)
		} else {
			out.WriteRune(c)
		}
	}
	out.WriteByte('"')
	return nil
}
