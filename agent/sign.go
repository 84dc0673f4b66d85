package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"joconde"
	"joconde/record"
)

// A slot is the place of one record that this organisation signs, and the name
// of its file. A slot is signed once: the envelope is on disk before anybody
// else sees it, and is never made again with other contents, whatever crashes.
func slotOf(kind joconde.RecordKind, attempt int, role joconde.Role) string {
	switch {
	case role != "":
		return fmt.Sprintf("%s-%s", kind, role)
	case attempt > 0:
		return fmt.Sprintf("%s-%d", kind, attempt)
	}
	return string(kind)
}

// nodeSlot is the slot of a record that the organisation's node signed.
func nodeSlot(kind joconde.RecordKind, attempt int) string {
	return "node-" + slotOf(kind, attempt, "")
}

// journal is what an organisation has signed of one task.
type journal struct {
	home   *Home
	folder string
}

func (h *Home) journal(task joconde.Digest) journal {
	return journal{h, filepath.Join(h.folder(task), "signed")}
}

// of gives what is in a slot; nil if nothing.
func (j journal) of(slot string) ([]byte, error) {
	envelope, err := j.home.disk.read(filepath.Join(j.folder, slot))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return envelope, err
}

// once gives what is in a slot, and signs only if it is empty.
func (j journal) once(slot string, sign func() ([]byte, error)) ([]byte, error) {
	envelope, err := j.of(slot)
	if err != nil || envelope != nil {
		return envelope, err
	}
	if envelope, err = sign(); err != nil {
		return nil, err
	}
	return j.home.disk.create(filepath.Join(j.folder, slot), envelope)
}

// operate signs with the operations key.
func (j journal) operate(slot string, kind joconde.RecordKind, payload func() (any, error)) ([]byte, error) {
	return j.with(operationsKey, slot, kind, payload)
}

// approve signs with the approval key: only what a person has asked for.
func (j journal) approve(slot string, kind joconde.RecordKind, payload func() (any, error)) ([]byte, error) {
	return j.with(approvalKey, slot, kind, payload)
}

func (j journal) with(key, slot string, kind joconde.RecordKind, payload func() (any, error)) ([]byte, error) {
	return j.once(slot, func() ([]byte, error) {
		body, err := payload()
		if err != nil {
			return nil, err
		}
		k, err := record.LoadKey(j.home.path("keys", key))
		if err != nil {
			return nil, err
		}
		defer k.Wipe()
		return record.Sign(kind, body, k)
	})
}

// countersign adds the operations key's signature to what the node signed.
func (j journal) countersign(slot string, envelope []byte) ([]byte, error) {
	return j.once(slot, func() ([]byte, error) {
		k, err := j.home.operations()
		if err != nil {
			return nil, err
		}
		defer k.Wipe()
		return record.AddSignature(envelope, k)
	})
}

func stamp(now time.Time) string { return joconde.FormatTime(now) }
