package agent

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"joconde"
	"joconde/dplane"
	"joconde/dplane/seal"
	"joconde/lang/eval"
	"joconde/lang/ir"
)

// split is one input that was split: what this organisation is committed to in
// every attempt. The parts and salts lie beside it, until they are wiped.
type split struct {
	Commitments []joconde.Digest `json:"commitments"`
	Input       int              `json:"input"`
}

func (w *work) splits() string { return filepath.Join(w.folder(), "splits") }

func (w *work) sealed(attempt int) string {
	return filepath.Join(w.folder(), "sealed", strconv.Itoa(attempt))
}

// inputs splits and seals what the organisation provides, and signs for it;
// uploads sends it. Each step is on disk when the next begins: an interrupted
// upload sends the same ciphertext on, and a later attempt seals the same
// splits again.
func (w *work) inputs(ctx context.Context, s *joconde.State) error {
	slot := slotOf(joconde.KindInputReceipt, s.Attempt, "")
	if signed, err := w.sendSigned(ctx, slot); signed || err != nil {
		return err
	}
	c, err := w.terms()
	if err != nil {
		return err
	}
	missing, err := w.Home.Missing(c, w.id)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		w.sayOnce(StepPerson, fmt.Sprintf("the task waits for tables of this organisation: %v (joconde data provide)", missing))
		return nil
	}
	if !has(filepath.Join(w.splits(), "manifest.json")) {
		for n := 1; n < s.Attempt; n++ {
			if has(filepath.Join(w.journal.folder, slotOf(joconde.KindInputReceipt, n, ""))) {
				w.trouble(StepInput, "the inputs cannot be sent again", problem("JOC-G060", "splits", "the splits of the earlier attempt are gone",
					"a later attempt must send the same shares, so that nobody learns two sharings of one table", "propose a new task", joconde.ExitInternal, nil))
				return w.abort(ctx, s, "input", w.me)
			}
		}
	}
	bundles, set, attempt := bundlesOf(w.ledger), joconde.Digest{}, s.Attempt
	set, complete := s.Bundles()
	if !complete || len(bundles) != len(c.Task.Computing) {
		return nil
	}
	var shares []joconde.InputShare
	w.start(ctx, StepInput, sealing, func(ctx context.Context) (err error) {
		if err := w.split(ctx, c); err != nil {
			return err
		}
		shares, err = w.seal(c, attempt, set, bundles)
		return err
	}, func() error {
		if w.ledger.State().Phase != joconde.Established {
			return nil
		}
		envelope, err := w.journal.operate(slot, joconde.KindInputReceipt, func() (any, error) {
			return &joconde.InputReceipt{Task: w.id, Attempt: attempt, Party: w.me, Bundles: set, Inputs: shares, At: stamp(w.now())}, nil
		})
		if err != nil {
			return err
		}
		return w.send(ctx, slot, envelope)
	})
	return nil
}

// The names of the jobs of an input party.
const (
	sealing   = "splitting and sealing the inputs"
	uploading = "sending the inputs"
)

// uploads sends what the receipt names, as soon as it is signed: nodes keep
// only what a receipt names, so nobody can take its place before. It is done
// when every node has all of it.
func (w *work) uploads(ctx context.Context, s *joconde.State) error {
	attempt := s.Attempt
	if s.Phase != joconde.Established || !has(filepath.Join(w.journal.folder, slotOf(joconde.KindInputReceipt, attempt, ""))) {
		return nil
	}
	marker := filepath.Join(w.sealed(attempt), "uploaded")
	if has(marker) {
		return nil
	}
	shares := []joconde.InputShare{}
	if err := w.Home.load(filepath.Join(w.sealed(attempt), "manifest.json"), &shares); err != nil {
		return err
	}
	bundles := bundlesOf(w.ledger)
	w.start(ctx, StepInput, uploading, func(ctx context.Context) error {
		return w.upload(ctx, attempt, shares, bundles)
	}, func() error {
		w.say(StepInput, fmt.Sprintf("%d inputs are at the nodes", len(shares)), nil)
		return w.Home.disk.write(marker, []byte(stamp(w.now())+"\n"))
	})
	return nil
}

// split computes the organisation's inputs in the clear and splits them, once
// for all attempts.
func (w *work) split(ctx context.Context, c *Compiled) error {
	manifest := filepath.Join(w.splits(), "manifest.json")
	if has(manifest) {
		return nil
	}
	// What a crash left of a beginning was shown to nobody.
	if err := w.Home.disk.wipeFolder(w.splits()); err != nil {
		return err
	}
	files, err := w.Home.provided(w.id)
	if err != nil {
		return err
	}
	owned, err := dplane.Check(w.me, c.Plan.Program, func(t ir.Table) ([][]ir.Value, error) {
		at := slices.IndexFunc(files, func(p provided) bool { return p.Table == t.QName() })
		if at < 0 {
			return nil, problem("JOC-G061", t.QName(), "nobody has provided the table", "the inputs need it", "provide it: joconde data provide", joconde.ExitWaiting, nil)
		}
		rows, _, digest, err := readTable(ctx, files[at].Path, &t, c.Plan.Rows[t.QName()])
		if err == nil && digest != files[at].Digest {
			err = problem("JOC-G062", files[at].Path, "the file has changed since it was provided", "what was checked and agreed to be sent is what must be sent", "provide it again: joconde data provide", joconde.ExitInvalid, nil)
		}
		return rows, err
	})
	if err != nil {
		return err
	}
	sharing := c.Engine.Sharing()
	parts, err := owned.Split(c.Plan, sharing, evaluate)
	if err != nil {
		return err
	}
	defer func() {
		for _, input := range parts {
			for _, part := range input {
				clear(part)
			}
		}
	}()
	list := []split{}
	for i, input := range parts {
		if input == nil {
			continue
		}
		done, err := w.keepSplit(c, i, input)
		if err != nil {
			return err
		}
		list = append(list, done)
	}
	return w.Home.save(manifest, list)
}

// keepSplit writes the parts of one input and the salts of its components, and
// commits to them.
func (w *work) keepSplit(c *Compiled, input int, parts [][]byte) (split, error) {
	out := split{Input: input}
	var salts []seal.Salt
	defer func() { clear(salts) }()
	done := map[int]bool{}
	for node, part := range parts {
		components, err := c.Engine.Sharing().Components(node, part)
		if err != nil {
			return out, err
		}
		for number, component := range components {
			for number >= len(salts) {
				salts = append(salts, seal.NewSalt())
				out.Commitments = append(out.Commitments, joconde.Digest{})
			}
			if !done[number] {
				done[number] = true
				out.Commitments[number] = seal.Commit(salts[number], component)
			}
			clear(component)
		}
		if err := w.Home.disk.write(w.partFile(input, node), part); err != nil {
			return out, err
		}
	}
	if len(done) != len(salts) {
		return out, errors.New("the engine's share components do not count from 0 without a gap")
	}
	var b []byte
	for i := range salts {
		b = append(b, salts[i][:]...)
	}
	defer clear(b)
	return out, w.Home.disk.write(w.saltFile(input), b)
}

func (w *work) partFile(input, node int) string {
	return filepath.Join(w.splits(), fmt.Sprintf("%d.%d.part", input, node))
}

func (w *work) saltFile(input int) string {
	return filepath.Join(w.splits(), fmt.Sprintf("%d.salts", input))
}

func (w *work) sealedFile(attempt, input, node int) string {
	return filepath.Join(w.sealed(attempt), fmt.Sprintf("%d.%d.sealed", input, node))
}

func evaluate(p *ir.Program, tables map[string][][]ir.Value, node int) ([][]ir.Value, error) {
	given := map[string]eval.Rows{}
	for name, rows := range tables {
		given[name] = rows
	}
	return eval.Node(p, given, node)
}

// seal seals every part to its node, once in an attempt.
func (w *work) seal(c *Compiled, attempt int, set joconde.Digest, bundles []*joconde.NodeBundle) ([]joconde.InputShare, error) {
	manifest := filepath.Join(w.sealed(attempt), "manifest.json")
	shares := []joconde.InputShare{}
	err := w.Home.load(manifest, &shares)
	if err == nil || !notThere(err) {
		return shares, err
	}
	var list []split
	if err := w.Home.load(filepath.Join(w.splits(), "manifest.json"), &list); err != nil {
		return nil, err
	}
	for i := range list {
		share := joconde.InputShare{Input: list[i].Input, Commitments: list[i].Commitments}
		for node, bundle := range bundles {
			hash, err := w.sealPart(c, attempt, set, &list[i], node, bundle)
			if err != nil {
				return nil, err
			}
			share.Ciphertexts = append(share.Ciphertexts, hash)
		}
		shares = append(shares, share)
	}
	return shares, w.Home.save(manifest, shares)
}

// sealPart seals one part with the salts of its components, after looking that
// it still is what this organisation has committed to.
func (w *work) sealPart(c *Compiled, attempt int, set joconde.Digest, s *split, node int, bundle *joconde.NodeBundle) (hash joconde.Digest, err error) {
	part, err := w.Home.disk.read(w.partFile(s.Input, node))
	defer clear(part)
	if err != nil {
		return hash, err
	}
	all, err := w.Home.disk.read(w.saltFile(s.Input))
	defer clear(all)
	if err != nil {
		return hash, err
	}
	components, err := c.Engine.Sharing().Components(node, part)
	if err != nil {
		return hash, damaged(w.partFile(s.Input, node), nil) // what it says could quote the part
	}
	salts := map[int]seal.Salt{}
	for number := range components {
		if len(all) != 32*len(s.Commitments) || number >= len(s.Commitments) {
			return hash, damaged(w.saltFile(s.Input), nil)
		}
		salts[number] = seal.Salt(all[32*number:])
	}
	err = seal.CheckCommitments(s.Commitments, salts, components)
	for _, component := range components {
		clear(component)
	}
	if err != nil {
		return hash, damaged(w.partFile(s.Input, node), err)
	}
	plaintext, err := seal.PackInput(salts, part)
	if err != nil {
		return hash, err
	}
	defer clear(plaintext)
	key, err := seal.ParsePublic(bundle.HPKEKey)
	if err != nil {
		return hash, err
	}
	info := seal.InputInfo(w.id, attempt, set, w.me, bundle.Party, s.Input, node)
	h := sha256.New()
	err = w.Home.disk.stream(w.sealedFile(attempt, s.Input, node), func(out io.Writer) error {
		return seal.SealTo(io.MultiWriter(out, h), key, info, plaintext, len(plaintext))
	})
	return joconde.Digest(h.Sum(nil)), err
}

// upload sends every ciphertext to its node.
func (w *work) upload(ctx context.Context, attempt int, shares []joconde.InputShare, bundles []*joconde.NodeBundle) error {
	if w.Workers == nil {
		return problem("JOC-G063", "agent", "this agent cannot reach nodes", "it was started without a way to them", "start it with joconde agent", joconde.ExitInternal, nil)
	}
	// To all nodes at once: one that is slow holds up nobody.
	failed := make(chan error, len(bundles))
	for node, bundle := range bundles {
		go func() {
			for i := range shares {
				if err := w.uploadOne(ctx, attempt, &shares[i], node, bundle); err != nil {
					failed <- err
					return
				}
			}
			failed <- nil
		}()
	}
	var err error
	for range bundles {
		err = errors.Join(err, <-failed)
	}
	return err
}

func (w *work) uploadOne(ctx context.Context, attempt int, share *joconde.InputShare, node int, bundle *joconde.NodeBundle) error {
	path := w.sealedFile(attempt, share.Input, node)
	f, err := os.Open(path)
	if err != nil {
		return damaged(path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return damaged(path, err)
	}
	err = w.Workers.Upload(ctx, bundle, Upload{Task: w.id, Attempt: attempt, From: w.me, Input: share.Input,
		Hash: share.Ciphertexts[node], Size: info.Size(), Sealed: f})
	if err != nil {
		return fmt.Errorf("upload input %d to the node of %s: %w", share.Input, bundle.Party, err)
	}
	return nil
}

// splitWipe wipes splits, salts and what was sealed, and signs it.
func (w *work) splitWipe(ctx context.Context) error {
	slot := slotOf(joconde.KindSplitWipe, 0, "")
	if signed, err := w.sendSigned(ctx, slot); signed || err != nil {
		return err
	}
	for name, j := range w.jobs {
		if j.runs && (name == sealing || name == uploading) {
			return nil // it was called off, and still holds files
		}
	}
	// The count is noted first: a crash in the middle must not make it smaller.
	var count int
	note := filepath.Join(w.folder(), "wiping.json")
	if err := w.Home.load(note, &count); notThere(err) {
		count = countFiles(w.splits())
		err = w.Home.save(note, count)
		if err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	if err := w.Home.disk.wipeFolder(w.splits()); err != nil {
		return err
	}
	if err := w.Home.disk.wipeFolder(filepath.Join(w.folder(), "sealed")); err != nil {
		return err
	}
	envelope, err := w.journal.operate(slot, joconde.KindSplitWipe, func() (any, error) {
		return &joconde.SplitWipe{Task: w.id, Party: w.me, Files: count, At: stamp(w.now())}, nil
	})
	if err != nil {
		return err
	}
	w.say(StepWipe, fmt.Sprintf("%d files with splits and salts are wiped; %s", count, WipeLimits), nil)
	return w.send(ctx, slot, envelope)
}

// countFiles counts parts and salts; the manifest is no secret.
func countFiles(dir string) int {
	n := 0
	files, err := os.ReadDir(dir)
	if err != nil {
		return 0
	}
	for _, f := range files {
		if ext := filepath.Ext(f.Name()); ext == ".part" || ext == ".salts" {
			n++
		}
	}
	return n
}
