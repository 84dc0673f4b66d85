// Package survey holds the real survey that the demo and the tests compute
// with: 61,395 wage earners of the US Current Population Survey, from a public
// domain source (README.md), and the two tables into which a population
// register and a tax agency could have split it. The data is public; nothing
// here needs to be trusted with anything. Start with CSV.
package survey

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	_ "embed"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"sync"
)

//go:embed cps2004.csv.gz
var packed []byte

// CSV is the whole file: person_id, gender, age, region, education, earnings.
// The caller owns the result.
func CSV() ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("unpack the survey: %w", err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		return nil, fmt.Errorf("unpack the survey: %w", err)
	}
	return text, z.Close()
}

// Register is what a population register holds of the survey: person_id,
// gender, age, education, in the order of the file. The caller owns the result.
func Register() []byte { return slices.Clone(halves().register) }

// Tax is what a tax agency holds of the survey: person_id, region, earnings, in
// an order unrelated to the register's and the same every time. The caller owns
// the result.
func Tax() []byte { return slices.Clone(halves().tax) }

type split struct{ register, tax []byte }

// The embedded file is part of the program and held by a test: failing to read
// it is our own bug, so the two halves return no error.
var halves = sync.OnceValue(func() split {
	text, err := CSV()
	if err != nil {
		panic(err)
	}
	people, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		panic(fmt.Errorf("read the survey: %w", err))
	}
	register := columns(people, 0, 1, 2, 4)
	place := make(map[string][sha256.Size]byte, len(people))
	for _, row := range people[1:] {
		place[row[0]] = sha256.Sum256([]byte(row[0]))
	}
	slices.SortFunc(people[1:], func(a, b []string) int {
		x, y := place[a[0]], place[b[0]]
		return bytes.Compare(x[:], y[:])
	})
	return split{register: register, tax: columns(people, 0, 3, 5)}
})

// columns writes the chosen columns; no value of the survey needs quotes.
func columns(rows [][]string, chosen ...int) []byte {
	var out bytes.Buffer
	for _, row := range rows {
		for i, c := range chosen {
			if i > 0 {
				out.WriteByte(',')
			}
			out.WriteString(row[c])
		}
		out.WriteByte('\n')
	}
	return out.Bytes()
}
