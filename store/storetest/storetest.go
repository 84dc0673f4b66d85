// Package storetest is the contract of store.Store as tests. Every
// implementation runs it; a new one is right when it passes.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"joconde/store"
)

// Run holds what open returns to the contract. Each call of open gives an
// empty store of its own.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	for _, test := range []struct {
		story string
		run   func(t *testing.T, s store.Store)
	}{
		{"what an update put is there for the next view", kept},
		{"an update sees its own changes", seesItself},
		{"an update whose function fails changes nothing", undone},
		{"an update whose function panics changes nothing", undoneByPanic},
		{"keys come in byte order, by prefix, in one bucket", ordered},
		{"a walk ends where its function says so", stopped},
		{"what a reader gave belongs to the caller", owned},
		{"an empty value is a value, and a deleted key is not there", emptyAndDeleted},
		{"what is larger than the limits is refused and changes nothing", limits},
		{"an ended context begins nothing", cancelled},
		{"a closed store says so, and closes again", closed},
		{"updates at the same time lose nothing", concurrent},
		{"a view sees one state while updates go on", isolated},
	} {
		t.Run(test.story, func(t *testing.T) {
			s := open(t)
			t.Cleanup(func() { must(t, s.Close()) })
			test.run(t, s)
		})
	}
	t.Run("any sequence of updates leaves what a map would hold", func(t *testing.T) { likeAMap(t, open) })
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, s store.Store, bucket string, pairs ...string) {
	t.Helper()
	must(t, s.Update(t.Context(), func(w store.Writer) error {
		for i := 0; i < len(pairs); i += 2 {
			if err := w.Put(bucket, pairs[i], []byte(pairs[i+1])); err != nil {
				return err
			}
		}
		return nil
	}))
}

// all gives the pairs of a bucket as key=value.
func all(t *testing.T, s store.Store, bucket, prefix string) []string {
	t.Helper()
	pairs := []string{}
	must(t, s.View(t.Context(), func(r store.Reader) error {
		return r.ForEach(bucket, prefix, func(key string, value []byte) error {
			pairs = append(pairs, key+"="+string(value))
			return nil
		})
	}))
	return pairs
}

func expect(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("the store holds %q, want %q", got, want)
	}
}

func kept(t *testing.T, s store.Store) {
	put(t, s, "tasks", "a", "1")
	must(t, s.View(t.Context(), func(r store.Reader) error {
		value, err := r.Get("tasks", "a")
		if err == nil && string(value) != "1" {
			err = fmt.Errorf("got %q", value)
		}
		return err
	}))
	for _, place := range [][2]string{{"tasks", "b"}, {"parties", "a"}} {
		err := s.View(t.Context(), func(r store.Reader) error {
			_, err := r.Get(place[0], place[1])
			return err
		})
		if !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%v: got %v, want ErrNotFound", place, err)
		}
	}
}

func seesItself(t *testing.T, s store.Store) {
	put(t, s, "b", "old", "1")
	must(t, s.Update(t.Context(), func(w store.Writer) error {
		if err := w.Put("b", "new", []byte("2")); err != nil {
			return err
		}
		if err := w.Delete("b", "old"); err != nil {
			return err
		}
		if value, err := w.Get("b", "new"); err != nil || string(value) != "2" {
			return fmt.Errorf("new is %q: %w", value, err)
		}
		if _, err := w.Get("b", "old"); !errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("old is still there: %w", err)
		}
		return nil
	}))
	expect(t, all(t, s, "b", ""), "new=2")
}

func undone(t *testing.T, s store.Store) {
	put(t, s, "b", "a", "1")
	enough := errors.New("enough")
	err := s.Update(t.Context(), func(w store.Writer) error {
		if err := w.Put("b", "a", []byte("2")); err != nil {
			return err
		}
		if err := w.Put("c", "a", []byte("2")); err != nil {
			return err
		}
		return enough
	})
	if !errors.Is(err, enough) {
		t.Fatalf("got %v, want what the function returned", err)
	}
	expect(t, all(t, s, "b", ""), "a=1")
	expect(t, all(t, s, "c", ""))
}

func undoneByPanic(t *testing.T, s store.Store) {
	put(t, s, "b", "a", "1")
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_ = s.Update(t.Context(), func(w store.Writer) error {
			_ = w.Put("b", "a", []byte("2"))
			panic("a bug")
		})
	}()
	expect(t, all(t, s, "b", ""), "a=1")
	put(t, s, "b", "a", "3")
	expect(t, all(t, s, "b", ""), "a=3")
}

func ordered(t *testing.T, s store.Store) {
	put(t, s, "b", "b", "1", "ab", "2", "a\x00", "3", "é", "4", "a", "5", "\xff", "6", "ab\xff", "7")
	put(t, s, "other", "aa", "8")
	expect(t, all(t, s, "b", ""), "a=5", "a\x00=3", "ab=2", "ab\xff=7", "b=1", "é=4", "\xff=6")
	expect(t, all(t, s, "b", "ab"), "ab=2", "ab\xff=7")
	expect(t, all(t, s, "b", "\xff"), "\xff=6")
	expect(t, all(t, s, "b", "zz"))
	expect(t, all(t, s, "nothing", ""))
}

func stopped(t *testing.T, s store.Store) {
	put(t, s, "b", "a", "1", "b", "2", "c", "3")
	enough, seen := errors.New("enough"), 0
	err := s.View(t.Context(), func(r store.Reader) error {
		return r.ForEach("b", "", func(string, []byte) error {
			if seen++; seen == 2 {
				return enough
			}
			return nil
		})
	})
	if !errors.Is(err, enough) || seen != 2 {
		t.Fatalf("saw %d keys and %v", seen, err)
	}
}

func owned(t *testing.T, s store.Store) {
	mine := []byte("value")
	must(t, s.Update(t.Context(), func(w store.Writer) error {
		err := w.Put("b", "a", mine)
		copy(mine, "xxxxx") // the store has its own copy by now
		return err
	}))
	var kept []byte
	must(t, s.View(t.Context(), func(r store.Reader) error {
		value, err := r.Get("b", "a")
		kept = value
		if err != nil {
			return err
		}
		copy(value, "yyyyy")
		return r.ForEach("b", "", func(_ string, value []byte) error { copy(value, "zzzzz"); return nil })
	}))
	put(t, s, "b", "other", "1")
	if !bytes.Equal(kept, []byte("yyyyy")) {
		t.Errorf("a value changed after its view ended: %q", kept)
	}
	expect(t, all(t, s, "b", "a"), "a=value")
}

func emptyAndDeleted(t *testing.T, s store.Store) {
	must(t, s.Update(t.Context(), func(w store.Writer) error { return w.Put("b", "a", nil) }))
	expect(t, all(t, s, "b", ""), "a=")
	must(t, s.View(t.Context(), func(r store.Reader) error {
		value, err := r.Get("b", "a")
		if err == nil && value == nil {
			return errors.New("an empty value came back as none")
		}
		return err
	}))
	must(t, s.Update(t.Context(), func(w store.Writer) error {
		return errors.Join(w.Delete("b", "a"), w.Delete("b", "never"), w.Delete("never", "a"))
	}))
	expect(t, all(t, s, "b", ""))
}

func limits(t *testing.T, s store.Store) {
	put(t, s, strings.Repeat("b", store.MaxName), strings.Repeat("k", store.MaxKey), "just fits")
	put(t, s, "b", "a", "1")
	large := make([]byte, store.MaxValue+1)
	for story, change := range map[string]func(store.Writer) error{
		"a bucket without a name": func(w store.Writer) error { return w.Put("", "k", nil) },
		"a bucket's long name":    func(w store.Writer) error { return w.Put(strings.Repeat("b", store.MaxName+1), "k", nil) },
		"an empty key":            func(w store.Writer) error { return w.Put("b", "", nil) },
		"a long key":              func(w store.Writer) error { return w.Put("b", strings.Repeat("k", store.MaxKey+1), nil) },
		"a large value":           func(w store.Writer) error { return w.Put("b", "k", large) },
		"much at once": func(w store.Writer) error {
			for i := 0; i < 3; i++ {
				if err := w.Put("b", fmt.Sprint(i), large[:store.MaxValue]); err != nil {
					return err
				}
			}
			return nil
		},
		"deleting an empty key": func(w store.Writer) error { return w.Delete("b", "") },
		"asking for a long key": func(w store.Writer) error {
			_, err := w.Get("b", strings.Repeat("k", store.MaxKey+1))
			return err
		},
	} {
		if err := s.Update(t.Context(), change); !errors.Is(err, store.ErrLimit) {
			t.Errorf("%s: got %v, want ErrLimit", story, err)
		}
	}
	expect(t, all(t, s, "b", ""), "a=1")
}

func cancelled(t *testing.T, s store.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	began := false
	err := errors.Join(
		s.View(ctx, func(store.Reader) error { began = true; return nil }),
		s.Update(ctx, func(store.Writer) error { began = true; return nil }))
	if began || !errors.Is(err, context.Canceled) {
		t.Fatalf("began: %v, error: %v", began, err)
	}
}

func closed(t *testing.T, s store.Store) {
	must(t, s.Close())
	for _, err := range []error{
		s.View(t.Context(), func(store.Reader) error { return nil }),
		s.Update(t.Context(), func(store.Writer) error { return nil }),
	} {
		if !errors.Is(err, store.ErrClosed) {
			t.Errorf("got %v, want ErrClosed", err)
		}
	}
	must(t, s.Close())
}

func concurrent(t *testing.T, s store.Store) {
	const writers, each = 4, 8
	var wait sync.WaitGroup
	for range writers {
		wait.Go(func() {
			for range each {
				err := s.Update(t.Context(), func(w store.Writer) error {
					value, err := w.Get("b", "count")
					if err != nil && !errors.Is(err, store.ErrNotFound) {
						return err
					}
					return w.Put("b", "count", append(value, 'x'))
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	expect(t, all(t, s, "b", ""), "count="+strings.Repeat("x", writers*each))
}

func isolated(t *testing.T, s store.Store) {
	put(t, s, "b", "a", "0", "z", "0")
	var wait sync.WaitGroup
	wait.Go(func() {
		for i := range 20 {
			put(t, s, "b", "a", fmt.Sprint(i), "z", fmt.Sprint(i))
		}
	})
	for range 50 {
		must(t, s.View(t.Context(), func(r store.Reader) error {
			first, err := r.Get("b", "a")
			if err != nil {
				return err
			}
			last, err := r.Get("b", "z")
			if err == nil && !bytes.Equal(first, last) {
				err = fmt.Errorf("half an update is seen: %s and %s", first, last)
			}
			return err
		}))
	}
	wait.Wait()
}

func likeAMap(t *testing.T, open func(t *testing.T) store.Store) {
	s := open(t)
	t.Cleanup(func() { must(t, s.Close()) })
	model := map[string]string{}
	refused := errors.New("refused")
	rapid.Check(t, func(r *rapid.T) {
		next := map[string]string{}
		for k, v := range model {
			next[k] = v
		}
		fails := rapid.Bool().Draw(r, "fails")
		err := s.Update(context.Background(), func(w store.Writer) error {
			for range rapid.IntRange(0, 6).Draw(r, "changes") {
				key := rapid.StringMatching(`[a-c]{1,3}`).Draw(r, "key")
				if rapid.Bool().Draw(r, "delete") {
					delete(next, key)
					if err := w.Delete("b", key); err != nil {
						return err
					}
					continue
				}
				value := rapid.StringN(0, 5, 5).Draw(r, "value")
				next[key] = value
				if err := w.Put("b", key, []byte(value)); err != nil {
					return err
				}
			}
			if fails {
				return refused
			}
			return nil
		})
		if fails != errors.Is(err, refused) || !fails && err != nil {
			r.Fatalf("got %v", err)
		}
		if !fails {
			model = next
		}
		want := []string{}
		for k, v := range model {
			want = append(want, k+"="+v)
		}
		slices.Sort(want)
		got := all(t, s, "b", "")
		slices.Sort(got)
		if !slices.Equal(got, want) {
			r.Fatalf("the store holds %q, a map %q", got, want)
		}
	})
}
