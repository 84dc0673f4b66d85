package cplane

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"sync"

	"joconde"
	"joconde/store"
)

// outputs is the bucket of sealed results, by task and hash.
const outputs = "outputs"

// mailbox keeps the sealed parts of results until their recipients have them:
// ciphertexts only, each named by a logged transcript. It can neither open nor
// change them.
type mailbox struct {
	store store.Store
	mutex sync.Mutex // taken before the coordinator's mutex; guards the below
	used  int        // bytes in the store
}

func place(task, output joconde.Digest) string {
	return hex.EncodeToString(task[:]) + "/" + hex.EncodeToString(output[:])
}

// awaits says whether the task's transcripts name an output, and whether
// somebody has still to fetch it. The caller holds the coordinator's mutex.
func (t *task) awaits(output joconde.Digest) (named, waiting bool) {
	state := t.ledger.State()
	recipients, named := t.outputs[output]
	if !named || state.Phase != joconde.Loaded && state.Phase != joconde.Computed {
		return named, false
	}
	for _, to := range recipients {
		if _, has := state.Has(joconde.KindResultReceipt, to); !has {
			return true, true
		}
	}
	return true, false
}

// wanted refuses an output that no transcript names, or that nobody waits for.
func (c *Coordinator) wanted(task, output joconde.Digest) error {
	c.mutex.RLock()
	defer c.mutex.RUnlock()
	t := c.tasks[task]
	if t == nil {
		return noTask()
	}
	switch named, waiting := t.awaits(output); {
	case !named:
		return notNamed()
	case !waiting:
		return delivered()
	}
	return nil
}

// PutOutput keeps a sealed output for its recipient. The same one again is no error.
func (c *Coordinator) PutOutput(ctx context.Context, task, output joconde.Digest, sealed []byte) error {
	return c.note(c.putOutput(ctx, task, output, sealed))
}

func (c *Coordinator) putOutput(ctx context.Context, task, output joconde.Digest, sealed []byte) error {
	if len(sealed) > c.limits.Output {
		return tooLarge(c.limits.Output)
	}
	if sha256.Sum256(sealed) != output {
		return otherBytes()
	}
	c.mailbox.mutex.Lock()
	defer c.mailbox.mutex.Unlock()
	// Under the mailbox's mutex: a sweep that comes after sees what is put here.
	if err := c.wanted(task, output); err != nil {
		return err
	}
	grown := 0
	err := c.mailbox.store.Update(ctx, func(w store.Writer) error {
		_, err := w.Get(outputs, place(task, output))
		if !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if c.mailbox.used+len(sealed) > c.limits.Mailbox {
			return mailboxFull()
		}
		grown = len(sealed)
		return w.Put(outputs, place(task, output), sealed)
	})
	if err != nil {
		return notStored(err)
	}
	c.mailbox.used += grown
	return nil
}

// Output gives a sealed output that somebody waits for.
func (c *Coordinator) Output(ctx context.Context, task, output joconde.Digest) ([]byte, error) {
	sealed, err := c.output(ctx, task, output)
	return sealed, c.note(err)
}

func (c *Coordinator) output(ctx context.Context, task, output joconde.Digest) ([]byte, error) {
	if err := c.wanted(task, output); err != nil {
		return nil, err
	}
	var sealed []byte
	err := c.mailbox.store.View(ctx, func(r store.Reader) (err error) {
		sealed, err = r.Get(outputs, place(task, output))
		return err
	})
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, notYet()
	case err != nil:
		return nil, notRead(err)
	}
	return sealed, nil
}

// sweep deletes the outputs that nobody waits for: of one task, or of all and
// counts what is left.
func (c *Coordinator) sweep(ctx context.Context, only *joconde.Digest) error {
	c.mailbox.mutex.Lock()
	defer c.mailbox.mutex.Unlock()
	prefix := ""
	if only != nil {
		prefix = hex.EncodeToString(only[:]) + "/"
	}
	var useless []string
	freed, left := 0, 0
	err := c.mailbox.store.View(ctx, func(r store.Reader) error {
		return r.ForEach(outputs, prefix, func(key string, sealed []byte) error {
			if c.useful(key) {
				left += len(sealed)
			} else {
				useless = append(useless, key)
				freed += len(sealed)
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	if len(useless) > 0 {
		err := c.mailbox.store.Update(ctx, func(w store.Writer) error {
			for _, key := range useless {
				if err := w.Delete(outputs, key); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if only == nil {
		c.mailbox.used = left
	} else {
		c.mailbox.used -= freed
	}
	return nil
}

// useful says whether somebody waits for what is kept under a key.
func (c *Coordinator) useful(key string) bool {
	of, name, _ := strings.Cut(key, "/")
	var task, output joconde.Digest
	if task.UnmarshalText([]byte("sha256:"+of)) != nil || output.UnmarshalText([]byte("sha256:"+name)) != nil {
		return false
	}
	return c.wanted(task, output) == nil
}
