package record

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"joconde"
)

// keyFile is what a key file holds, as canonical JSON.
type keyFile struct {
	Format  int    `json:"format"`
	Private string `json:"private"` // the seed, hex
	Public  string `json:"public"`
}

const maxKeyFile = 4096

// SaveKey writes a key to a file that only its owner may read: all of it or
// nothing, durable when it returns. It never replaces a file, because a lost
// key cannot be had again.
func SaveKey(path string, k *Key) error {
	if k.empty() {
		return errors.New("save a key: there is no key")
	}
	text, err := Canonical(keyFile{1, hex.EncodeToString((*k.private).Seed()), k.Public()})
	if err != nil {
		return errors.New("save a key: it has no canonical form")
	}
	defer clear(text)
	dir := filepath.Dir(path)
	draft, err := os.CreateTemp(dir, ".key-*") // with mode 0600
	if err != nil {
		return notSaved(path, err)
	}
	defer os.Remove(draft.Name())
	_, err = draft.Write(text)
	if err == nil {
		err = draft.Sync()
	}
	if err = errors.Join(err, draft.Close()); err != nil {
		return notSaved(path, err)
	}
	// A link fails where a rename would replace.
	if err := os.Link(draft.Name(), path); err != nil {
		return notSaved(path, err)
	}
	if err := syncDir(dir); err != nil {
		return notSaved(path, err)
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func notSaved(path string, err error) *joconde.Problem {
	if errors.Is(err, fs.ErrExist) {
		p := refused("JOC-E110", path, "a file of this name is already there", "a key that is overwritten cannot be had again", "choose another name, or move the old key away", err)
		p.Exit = joconde.ExitUsage
		return p
	}
	p := refused("JOC-E111", path, "the key could not be written, and nothing was kept", "the disk or the folder refused", "check the folder, its permissions and free space", err)
	p.Exit = joconde.ExitUsage
	return p
}

// LoadKey reads a key file. It refuses a file that its group or the world may
// read or write. No error shows what the file holds.
func LoadKey(path string) (*Key, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, notLoaded("JOC-E112", path, "the key file cannot be opened", "check the name and who may read it", err)
	}
	defer file.Close()
	info, err := file.Stat() // of the open file: the name may be changed meanwhile
	if err != nil || !info.Mode().IsRegular() {
		return nil, notLoaded("JOC-E113", path, "the key file is no ordinary file", "give the name of a key file", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, notLoaded("JOC-E114", path, fmt.Sprintf("others may read or write the key file: its mode is %04o", info.Mode().Perm()),
			"if nobody can have read it, set its mode to 0600; else make a new key", nil)
	}
	text, err := io.ReadAll(io.LimitReader(file, maxKeyFile+1))
	defer clear(text)
	if err != nil {
		return nil, notLoaded("JOC-E115", path, "the key file cannot be read", "check the disk", err)
	}
	var content keyFile
	// What Strict says could quote the file.
	if len(text) > maxKeyFile || Strict(text, &content) != nil || content.Format != 1 {
		return nil, notLoaded("JOC-E116", path, "the file is no key file", "give the name of a file that joconde wrote", nil)
	}
	seed, err := hex.DecodeString(content.Private)
	defer clear(seed)
	if err != nil {
		return nil, notLoaded("JOC-E116", path, "the file is no key file", "give the name of a file that joconde wrote", nil)
	}
	k, err := KeyFromSeed(seed)
	if err != nil || k.Public() != content.Public || hex.EncodeToString(seed) != content.Private {
		return nil, notLoaded("JOC-E117", path, "the two halves of the key do not belong together", "restore the file from its backup", nil)
	}
	return k, nil
}

func notLoaded(code, path, what, do string, cause error) *joconde.Problem {
	p := refused(code, path, what, "who can read a key can sign for its owner, and a key must be whole to sign", do, cause)
	p.Exit = joconde.ExitUsage
	return p
}
