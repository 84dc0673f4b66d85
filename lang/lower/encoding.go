package lower

import (
	"crypto/sha256"
	"errors"
	"math/big"
	"slices"
	"unicode/utf8"

	"joconde/lang/ir"
)

// errRange says that a value does not fit its encoding: the caller names row
// and column, never the value.
var errRange = errors.New("the value is outside the range that the program declares")

// Encode gives the word of a value that is not NULL.
func (enc Encoding) Encode(v ir.Value) (*big.Int, error) {
	switch enc.Kind {
	case Offset:
		lo, ok := new(big.Int).SetString(enc.Lo, 10)
		if !ok || v.Int == nil {
			return nil, errRange
		}
		n := new(big.Int).Sub(v.Int, lo)
		if n.Sign() < 0 || n.BitLen() > enc.Bits {
			return nil, errRange
		}
		return n, nil
	case Code:
		at, found := slices.BinarySearch(enc.Codes, v.Text)
		if !found {
			return nil, errRange
		}
		return big.NewInt(int64(at)), nil
	case Packed:
		if len(v.Text) > enc.Bits/8 {
			return nil, errRange
		}
		padded := make([]byte, enc.Bits/8)
		copy(padded, v.Text)
		return new(big.Int).SetBytes(padded), nil
	case Hashed:
		sum := sha256.Sum256([]byte(v.Text))
		return new(big.Int).SetBytes(sum[:enc.Bits/8]), nil
	}
	return nil, errors.New("unknown encoding " + enc.Kind)
}

// Decode gives the value of a word. A hashed text cannot be decoded.
func (enc Encoding) Decode(n *big.Int) (ir.Value, error) {
	if n.Sign() < 0 || n.BitLen() > enc.Bits {
		return ir.Value{}, errors.New("a word is wider than its field")
	}
	switch enc.Kind {
	case Offset:
		lo, ok := new(big.Int).SetString(enc.Lo, 10)
		if !ok {
			return ir.Value{}, errors.New("an encoding's least value is not a number")
		}
		return ir.Value{Int: lo.Add(lo, n)}, nil
	case Code:
		if !n.IsInt64() || n.Int64() >= int64(len(enc.Codes)) {
			return ir.Value{}, errors.New("a code is not in the code list")
		}
		return ir.Value{Text: enc.Codes[n.Int64()]}, nil
	case Packed:
		text := n.FillBytes(make([]byte, (enc.Bits+7)/8))
		end := len(text)
		for end > 0 && text[end-1] == 0 {
			end--
		}
		if text = text[:end]; !utf8.Valid(text) || slices.Contains(text, 0) {
			return ir.Value{}, errors.New("a packed text is not UTF-8")
		}
		return ir.Value{Text: string(text)}, nil
	}
	return ir.Value{}, errors.New("the field cannot be decoded")
}
