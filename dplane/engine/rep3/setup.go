package rep3

import (
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"

	"joconde/dplane/engine"
	"joconde/dplane/engine/internal/prg"
)

// contribution is what each party gives to a common key.
const contribution = 32

// setup makes the keys of the session, in two rounds, before any share moves.
//
// First every party sends each peer 32 random bytes for the key of the two,
// and the same 32 random bytes to both for the key of all three. A key is
// derived from the contributions of all its holders, in the order of their
// indices, bound to the engine and to the label of the task: it is uniform if
// one contribution is, so an old one cannot be forced on anybody.
//
// Then the parties compare, peer by peer: a digest of the plan in the clear
// (it is public, and whoever runs another plan should be told so), and tags
// under the keys over that digest and the sender. They never compare keys.
func (p *party) setup(ctx context.Context, plan engine.Plan) error {
	digest, err := planDigest(plan)
	if err != nil {
		return err
	}
	own := make([]byte, contribution)
	_, _ = rand.Read(own) // never fails: it ends the process first
	mine, theirs := [3][]byte{}, [3][]byte{}
	for _, peer := range []int{p.prev, p.next} {
		mine[peer] = p.send(peer, 2*contribution)
		_, _ = rand.Read(mine[peer][:contribution])
		copy(mine[peer][contribution:], own)
		theirs[peer] = p.receive(peer, 2*contribution)
	}
	if err := p.exchange(ctx); err != nil {
		return fmt.Errorf("make keys: %w", err)
	}
	for slot, peer := range []int{p.prev, p.next} {
		if p.key[slot], err = p.source(plan.Label, map[int][]byte{
			p.me: mine[peer][:contribution],
			peer: theirs[peer][:contribution],
		}); err != nil {
			return err
		}
	}
	if p.common, err = p.source(plan.Label, map[int][]byte{
		p.me:   own,
		p.prev: theirs[p.prev][contribution:],
		p.next: theirs[p.next][contribution:],
	}); err != nil {
		return err
	}
	clear(own)
	for _, peer := range []int{p.prev, p.next} {
		clear(mine[peer])
		clear(theirs[peer])
	}
	if p.hooks.keyed != nil {
		p.hooks.keyed(p)
	}
	return p.compareKeys(ctx, digest)
}

// source derives the secret of the parties that contributed.
func (p *party) source(label []byte, contributed map[int][]byte) (*prg.Source, error) {
	var holders []int
	var joint []byte
	for q := range 3 {
		if c, ok := contributed[q]; ok {
			holders = append(holders, q)
			joint = append(joint, c...)
		}
	}
	defer clear(joint)
	members := make([]byte, len(holders))
	for i, q := range holders {
		members[i] = byte(q)
	}
	secret, err := hkdf.Key(sha256.New, joint, nil, string(prg.Info([]byte("joconde/rep3/secret/v1"), label, members)), 32)
	if err != nil {
		return nil, fmt.Errorf("derive a key: %w", err)
	}
	defer clear(secret)
	return prg.New(secret, label, name, holders, p.hooks.audit)
}

// compareKeys is the second round of setup.
func (p *party) compareKeys(ctx context.Context, plan [sha256.Size]byte) error {
	tags := func(sender, slot int) []byte {
		text := prg.Info(plan[:], []byte{byte(sender)})
		return append(p.key[slot].Tag("setup", text), p.common.Tag("setup", text)...)
	}
	var got [3][]byte
	for slot, peer := range []int{p.prev, p.next} {
		got[peer] = p.receive(peer, 3*sha256.Size)
		out := p.send(peer, 3*sha256.Size)
		copy(out, plan[:])
		copy(out[sha256.Size:], tags(p.me, slot))
	}
	if err := p.exchange(ctx); err != nil {
		return fmt.Errorf("compare keys: %w", err)
	}
	var odd []int
	for slot, peer := range []int{p.prev, p.next} {
		want := tags(peer, slot)
		agrees := func(from, to int, expected []byte) bool {
			return subtle.ConstantTimeCompare(got[peer][from:to], expected) == 1
		}
		switch {
		case !agrees(0, sha256.Size, plan[:]):
			return blame(peer, errors.New("runs another plan than this party"))
		case !agrees(sha256.Size, 2*sha256.Size, want[:sha256.Size]):
			return blame(peer, errKeys)
		case !agrees(2*sha256.Size, 3*sha256.Size, want[sha256.Size:]):
			odd = append(odd, peer)
		}
	}
	return blameOdd(odd, errKeys)
}

var (
	errKeys  = errors.New("does not hold the same keys as this party")
	errUsage = errors.New("drew other randomness than this party")
)

// blameOdd names the peer that disagrees about what all three should have
// alike. If both do, it is more likely this party, and nobody is named.
func blameOdd(odd []int, err error) error {
	switch len(odd) {
	case 0:
		return nil
	case 1:
		return blame(odd[0], err)
	}
	return fmt.Errorf("rep3: each of the two peers %w", err)
}

// planDigest is over all that the parties must agree on before they compute.
// The encoding is canonical: structs in the order of their fields, maps sorted.
func planDigest(plan engine.Plan) ([sha256.Size]byte, error) {
	vector, err := json.Marshal(plan.Vector)
	if err != nil {
		return [sha256.Size]byte{}, fmt.Errorf("digest the plan: %w", err)
	}
	rest, err := json.Marshal(struct {
		Rows    map[string]int
		Options engine.Options
	}{plan.Rows, plan.Options})
	if err != nil {
		return [sha256.Size]byte{}, fmt.Errorf("digest the plan: %w", err)
	}
	return sha256.Sum256(prg.Info([]byte("joconde/rep3/plan/v1"), []byte(version), vector, rest, plan.Label)), nil
}

// Check finds parties whose generators are out of step: each two compare a
// digest of which streams they made of their common keys and how much they
// drew from each. Products made with masks that do not cancel are wrong in a
// way that nothing else would show. It is one round. What a party computed
// wrongly with generators in step is not found: the engine is passive.
func (p *party) Check(ctx context.Context) error {
	usage := func(sender, slot int) []byte {
		key, common := p.key[slot].Usage(), p.common.Usage()
		return p.key[slot].Tag("usage", prg.Info(key[:], common[:], []byte{byte(sender)}))
	}
	var got [3][]byte
	for slot, peer := range []int{p.prev, p.next} {
		got[peer] = p.receive(peer, sha256.Size)
		copy(p.send(peer, sha256.Size), usage(p.me, slot))
	}
	if err := p.exchange(ctx); err != nil {
		return fmt.Errorf("compare generators: %w", err)
	}
	var odd []int
	for slot, peer := range []int{p.prev, p.next} {
		if subtle.ConstantTimeCompare(got[peer], usage(peer, slot)) != 1 {
			odd = append(odd, peer)
		}
	}
	return blameOdd(odd, errUsage)
}
