package cplane

import (
	"context"
	"errors"

	"joconde"
	"joconde/internal/door"
	"joconde/record"
)

// Propose opens a task whose members' entries are organisations, with all that
// these replace. When it returns without an error the task and its entries are
// in the log. A task that is there already is no error.
func (c *Coordinator) Propose(ctx context.Context, envelope []byte, organisations [][]byte) (joconde.Digest, error) {
	id, err := c.propose(ctx, envelope, organisations)
	return id, c.note(err)
}

func (c *Coordinator) propose(ctx context.Context, envelope []byte, organisations [][]byte) (joconde.Digest, error) {
	ledger, err := record.NewLedger(envelope, organisations)
	if err != nil {
		return joconde.Digest{}, notTask(err)
	}
	_, id := ledger.Task()
	// Whoever asked may leave; what was begun is ended.
	ctx = context.WithoutCancel(ctx)
	c.writing.Lock()
	defer c.writing.Unlock()
	if err := c.catchUp(ctx); err != nil {
		return joconde.Digest{}, notLogged(err)
	}
	c.mutex.RLock()
	known, count := c.tasks[id] != nil, len(c.order)
	c.mutex.RUnlock()
	if known {
		return id, nil
	}
	if count >= c.limits.Tasks {
		return joconde.Digest{}, tooManyTasks(c.limits.Tasks)
	}
	for _, entry := range organisations {
		u, err := record.Peek(entry)
		if err != nil {
			return joconde.Digest{}, notTask(err)
		}
		c.mutex.RLock()
		_, logged := c.entries[u.ID]
		c.mutex.RUnlock()
		if logged {
			continue
		}
		if err := c.append(ctx, entry); err != nil {
			return joconde.Digest{}, err
		}
	}
	// Entries without their task are harmless: the next proposal finds them.
	if err := c.append(ctx, envelope); err != nil {
		return joconde.Digest{}, err
	}
	return id, nil
}

// Submit takes in a record of a task and gives its position in it. When it
// returns without an error, the record is in the log, and visible. The same
// record again gives the same position. After an error nothing is kept.
func (c *Coordinator) Submit(ctx context.Context, id joconde.Digest, envelope []byte) (int, error) {
	position, err := c.submit(ctx, id, envelope)
	return position, c.note(err)
}

func (c *Coordinator) submit(ctx context.Context, id joconde.Digest, envelope []byte) (int, error) {
	// What cannot count holds up nobody who writes.
	if position, done, err := c.look(id, envelope); done || err != nil {
		return position, err
	}
	ctx = context.WithoutCancel(ctx)
	c.writing.Lock()
	defer c.writing.Unlock()
	if err := c.catchUp(ctx); err != nil {
		return 0, notLogged(err)
	}
	if position, done, err := c.look(id, envelope); done || err != nil {
		return position, err
	}
	if err := c.append(ctx, envelope); err != nil {
		return 0, err
	}
	// If this fails or we are killed here, the next start sweeps.
	_ = c.sweep(ctx, &id)
	position, done, err := c.look(id, envelope)
	if !done && err == nil {
		err = notRead(errors.New("the log has a record that does not count"))
	}
	return position, err
}

// look says whether a record would count now, or where it is if it is there.
func (c *Coordinator) look(id joconde.Digest, envelope []byte) (position int, done bool, err error) {
	c.mutex.RLock()
	defer c.mutex.RUnlock()
	t := c.tasks[id]
	if t == nil {
		return 0, false, noTask()
	}
	before, err := t.ledger.Check(envelope)
	switch {
	case errors.Is(err, joconde.ErrDuplicate) && before != nil:
		return t.positions[before.ID], true, nil
	case err != nil:
		return 0, false, notTaken(err)
	}
	return 0, false, nil
}

// note counts what is refused.
func (c *Coordinator) note(err error) error {
	var r *door.Rejection
	if errors.As(err, &r) {
		c.mutex.Lock()
		c.refused[r.Code]++
		c.mutex.Unlock()
	}
	return err
}
