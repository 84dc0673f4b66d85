package table

import (
	"bytes"
	"io"
)

// maxRow is the greatest length of a row in bytes, its line end included. It
// bounds what the splitter keeps in memory, whatever the file holds.
const maxRow = 1_000_000

// field is one cell of a row. Its bytes are valid until the next row is read.
type field struct {
	text   []byte // without the quotes around it, doubled quotes made single
	quoted bool
	bare   bool // not quoted, but holds a quote mark
}

// flaw is what makes a row unreadable as a whole.
type flaw int

const (
	sound   flaw = iota
	unquote      // a quoted cell is not closed, or something other than a delimiter follows it
	overlong
)

// records splits a file into rows. A line ends with LF, CRLF or CR alone;
// inside quotes all three are kept byte for byte. encoding/csv turns CRLF in
// quotes into LF, loses CR-only lines and skips blank ones without counting
// them, which is why this splitter is ours.
//
// After an unreadable row it goes on at the next line end behind the start of
// the offending cell, so that a forgotten quote does not hide what comes after.
type records struct {
	r      io.Reader
	delim  byte
	buf    []byte // read and not yet passed: buf[pos:]
	pos    int
	eof    bool
	failed error // of r, after what is in buf
	read   int64 // bytes read from r
	row    int   // rows passed, blank and unreadable ones included

	fields []field
	joined []byte // cells with doubled quotes, made single
}

// next gives the next row, sound or not. Its fields are those before the
// offending one if it is not sound. The error is io.EOF or the reader's.
func (s *records) next() ([]field, flaw, error) {
	n, why, err := s.peek()
	if err != nil {
		return nil, sound, err
	}
	s.row++
	if why != sound {
		return s.fields, why, s.skipLine(n)
	}
	s.pos += n
	return s.fields, sound, nil
}

// peek reads the next row into s.fields and stays before it: n is its length,
// or where the offending cell begins.
func (s *records) peek() (n int, why flaw, err error) {
	for {
		data, eof := s.buf[s.pos:], s.eof
		if len(data) > maxRow {
			data, eof = data[:maxRow], false
		}
		if len(data) == 0 && eof {
			return 0, sound, io.EOF
		}
		n, at, state := s.split(data, eof)
		switch {
		case state == whole:
			return n, sound, nil
		case state == faulty:
			return at, unquote, nil
		case len(data) == maxRow:
			return at, overlong, nil
		}
		if err := s.fill(); err != nil {
			return 0, sound, err
		}
	}
}

type splitState int

const (
	partial splitState = iota // the row goes on behind data
	whole
	faulty
)

// split reads one row from the start of data into s.fields: n is its length, or
// else at is where the cell begins that is not complete.
func (s *records) split(data []byte, eof bool) (n, at int, state splitState) {
	s.fields, s.joined = s.fields[:0], s.joined[:0]
	p := 0
	for {
		at = p
		var f field
		if p < len(data) && data[p] == '"' {
			f.quoted = true
			if p, state = s.quoted(data, p+1, &f); state != whole {
				if state == partial && eof {
					state = faulty // the quote is never closed
				}
				return 0, at, state
			}
		} else {
			for p < len(data) && data[p] != s.delim && data[p] != '\n' && data[p] != '\r' {
				f.bare = f.bare || data[p] == '"'
				p++
			}
			f.text = data[at:p]
		}
		switch {
		case p == len(data):
			if !eof {
				return 0, at, partial
			}
			s.fields = append(s.fields, f)
			return p, at, whole
		case data[p] == s.delim:
			s.fields = append(s.fields, f)
			p++
		case data[p] == '\n':
			s.fields = append(s.fields, f)
			return p + 1, at, whole
		case data[p] == '\r':
			if p+1 == len(data) && !eof {
				return 0, at, partial // LF may follow
			}
			s.fields = append(s.fields, f)
			if p+1 < len(data) && data[p+1] == '\n' {
				p++
			}
			return p + 1, at, whole
		default:
			return 0, at, faulty // something follows the closing quote
		}
	}
}

// quoted reads a quoted cell from p, behind its opening quote, to behind its
// closing one.
func (s *records) quoted(data []byte, p int, f *field) (end int, state splitState) {
	start, from := p, len(s.joined)
	for {
		q := bytes.IndexByte(data[p:], '"')
		if q < 0 {
			return 0, partial
		}
		p += q + 1
		if p == len(data) || data[p] != '"' {
			break
		}
		s.joined = append(s.joined, data[start:p]...)
		p++
		start = p
	}
	f.text = data[start : p-1]
	if len(s.joined) > from {
		s.joined = append(s.joined, f.text...)
		f.text = s.joined[from:len(s.joined):len(s.joined)]
	}
	return p, whole
}

// skipLine passes everything up to the first line end at or behind buf[pos+at].
// The fields of the row before it stay valid: they are copied first.
func (s *records) skipLine(at int) error {
	for i := range s.fields {
		s.fields[i].text = bytes.Clone(s.fields[i].text)
	}
	s.pos += at
	for {
		i := bytes.IndexAny(s.buf[s.pos:], "\r\n")
		switch {
		case i < 0 && s.eof:
			s.pos = len(s.buf)
			return nil
		case i < 0:
			s.pos = len(s.buf)
		case s.buf[s.pos+i] == '\n':
			s.pos += i + 1
			return nil
		case s.pos+i+1 < len(s.buf) || s.eof:
			s.pos += i + 1
			if s.pos < len(s.buf) && s.buf[s.pos] == '\n' {
				s.pos++
			}
			return nil
		default:
			s.pos += i // the LF of a CRLF may follow
		}
		if err := s.fill(); err != nil {
			return err
		}
	}
}

// fill reads behind buf[pos:] until the buffer is full or the file ends, so
// that a row that comes in small pieces is not split anew for each of them. The
// buffer grows to little more than maxRow at most. A reader's error is given
// once all that came before it is passed.
func (s *records) fill() error {
	if s.failed != nil {
		return s.failed
	}
	if s.pos > 0 {
		s.buf = s.buf[:copy(s.buf, s.buf[s.pos:])]
		s.pos = 0
	}
	if len(s.buf) == cap(s.buf) {
		grown := make([]byte, len(s.buf), max(1<<18, 2*cap(s.buf)))
		copy(grown, s.buf)
		s.buf = grown
	}
	for idle := 0; len(s.buf) < cap(s.buf); {
		n, err := s.r.Read(s.buf[len(s.buf):cap(s.buf)])
		s.buf = s.buf[:len(s.buf)+n]
		s.read += int64(n)
		if idle++; n > 0 {
			idle = 0
		}
		switch {
		case err == io.EOF: // io.ErrUnexpectedEOF is no end: the file is cut off
			s.eof = true
			return nil
		case err != nil:
			s.failed = err
			return nil
		case idle > 100:
			s.failed = io.ErrNoProgress
			return nil
		}
	}
	return nil
}
