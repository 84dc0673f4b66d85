package agent

import (
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"joconde"
	"joconde/audit"
	"joconde/dplane/seal"
	"joconde/record"
)

// Home is an organisation's folder. All that must survive is in it:
//
//	home.json              who this is, its hub, and the log key that it trusts
//	organisation.dsse      its newest directory entry
//	policy.json            its refusal policy, if it has one; its nodes read it
//	keys/                  approval.key, operations.key, result.key
//	history.json           earlier outputs that rest on its tables
//	tasks/ID/records/      the verified records of a task, and the last checkpoint
//	tasks/ID/signed/       what it has signed: one file for each slot, never replaced
//	tasks/ID/provided.json its tables: path and digest
//	tasks/ID/splits/       parts and salts, until they are wiped
//	tasks/ID/sealed/       the same, sealed to nodes, for uploads that resume
//	tasks/ID/node/         what its node said, and sealed parts until delivered
//	results/ID/            results that it may learn, with their certificate
//
// Only its owner can read it. Secrets lie there as they are: whoever can read
// the folder can speak for the organisation.
type Home struct {
	dir    string
	config config
	disk   disk
}

type config struct {
	Format int             `json:"format"` // 1
	Hub    string          `json:"hub"`
	LogKey string          `json:"log_key"` // verifier key; "" until it is pinned
	Party  joconde.PartyID `json:"party"`
}

// The keys of an organisation.
const (
	approvalKey   = "approval.key"   // a person's
	operationsKey = "operations.key" // the agent's
	resultKey     = "result.key"     // opens results
)

// NewHome makes a home in a folder that is empty or not there, and draws its
// keys. logKey may be empty: PinLog sets it later.
func NewHome(dir string, party joconde.PartyID, hub, logKey string) (*Home, error) {
	approval, err := record.NewKey()
	if err != nil {
		return nil, err
	}
	defer approval.Wipe()
	operations, err := record.NewKey()
	if err != nil {
		return nil, err
	}
	defer operations.Wipe()
	result, err := seal.NewKey()
	if err != nil {
		return nil, err
	}
	return newHome(dir, config{1, hub, logKey, party}, approval, operations, result)
}

func newHome(dir string, c config, approval, operations *record.Key, result *seal.Key) (*Home, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, notWritten(dir, err)
	}
	if left, err := os.ReadDir(dir); err == nil && len(left) > 0 {
		return nil, problem("JOC-G010", dir, "the folder is not empty", "keys that are overwritten cannot be had again", "choose another folder", joconde.ExitUsage, nil)
	}
	h := &Home{dir: dir, config: c}
	if err := os.MkdirAll(h.path("keys"), 0o700); err != nil {
		return nil, notWritten(dir, err)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return nil, notWritten(dir, err)
	}
	if c.LogKey != "" {
		if err := audit.CheckLogKey(c.LogKey); err != nil {
			return nil, problem("JOC-G014", dir, "the log's key is refused", err.Error(), "ask the hub's operator for its verifier key", joconde.ExitUsage, err)
		}
	}
	if err := record.SaveKey(h.path("keys", approvalKey), approval); err != nil {
		return nil, err
	}
	if err := record.SaveKey(h.path("keys", operationsKey), operations); err != nil {
		return nil, err
	}
	if err := h.saveResultKey(result); err != nil {
		return nil, err
	}
	// The last to be written: a home without it is none.
	if err := h.save(h.path("home.json"), c); err != nil {
		return nil, err
	}
	return h, nil
}

// OpenHome opens a home. It refuses one that others may read.
func OpenHome(dir string) (*Home, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, notWritten(dir, err)
	}
	info, err := os.Stat(dir)
	if err != nil || !info.IsDir() {
		return nil, problem("JOC-G011", dir, "there is no home in this folder", "a home has the organisation's keys and its part of every task", "make one: joconde keys new", joconde.ExitUsage, err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, problem("JOC-G012", dir, "others may read or write the home", "who can read it can sign for the organisation", "if nobody can have read it, set its mode to 0700; else make a new one", joconde.ExitUsage, nil)
	}
	h := &Home{dir: dir}
	if err := h.load(h.path("home.json"), &h.config); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, problem("JOC-G011", dir, "there is no home in this folder", "a home has the organisation's keys and its part of every task", "make one: joconde keys new", joconde.ExitUsage, err)
		}
		return nil, err
	}
	if h.config.Format != 1 || h.config.Party == "" {
		return nil, damaged(h.path("home.json"), nil)
	}
	return h, nil
}

// Dir is the home's folder.
func (h *Home) Dir() string { return h.dir }

// Party is whose home it is.
func (h *Home) Party() joconde.PartyID { return h.config.Party }

// HubURL is where its hub is.
func (h *Home) HubURL() string { return h.config.Hub }

// LogKey is the verifier key of the log that this home trusts; "" if none yet.
func (h *Home) LogKey() string { return h.config.LogKey }

// PinLog sets the log key, once and for all.
func (h *Home) PinLog(verifier string) error {
	if h.config.LogKey == verifier && verifier != "" {
		return nil
	}
	if h.config.LogKey != "" {
		return problem("JOC-G013", "home.json", "the home trusts another log", "a hub whose log key changes may be another hub, or may have a second log to show to somebody else",
			"ask the hub's operator, by telephone, whether its log key has changed", joconde.ExitUnverified, nil)
	}
	if err := audit.CheckLogKey(verifier); err != nil {
		return problem("JOC-G014", "home.json", "the log's key is refused", err.Error(), "ask the hub's operator for its verifier key", joconde.ExitUsage, err)
	}
	c := h.config
	c.LogKey = verifier
	if err := h.save(h.path("home.json"), c); err != nil {
		return err
	}
	h.config = c
	return nil
}

// SetHub changes where the hub is. It is believed nothing, so this is safe.
func (h *Home) SetHub(url string) error {
	c := h.config
	c.Hub = url
	if err := h.save(h.path("home.json"), c); err != nil {
		return err
	}
	h.config = c
	return nil
}

// PolicyFile is where the refusal policy of the organisation's nodes is, if it
// has one.
func (h *Home) PolicyFile() string { return h.path("policy.json") }

func (h *Home) path(parts ...string) string {
	return filepath.Join(append([]string{h.dir}, parts...)...)
}

// folder is the folder of a task.
func (h *Home) folder(task joconde.Digest) string {
	return h.path("tasks", hex.EncodeToString(task[:]))
}

// ResultFolder is where the results of a task are.
func (h *Home) ResultFolder(task joconde.Digest) string {
	return h.path("results", hex.EncodeToString(task[:]))
}

func (h *Home) operations() (*record.Key, error) {
	return record.LoadKey(h.path("keys", operationsKey))
}

// resultFile is the key file of a sealing key.
type resultFile struct {
	Format  int    `json:"format"`
	Private string `json:"private"` // hex
	Public  string `json:"public"`
}

func (h *Home) saveResultKey(k *seal.Key) error {
	secret, err := k.Expose()
	if err != nil {
		return err
	}
	defer clear(secret)
	text, err := record.Canonical(resultFile{1, hex.EncodeToString(secret), k.Public()})
	if err != nil {
		return errors.New("save the result key: it has no canonical form")
	}
	defer clear(text)
	_, err = h.disk.create(h.path("keys", resultKey), text)
	return err
}

func (h *Home) resultKey() (*seal.Key, error) {
	path := h.path("keys", resultKey)
	no := problem("JOC-G015", path, "the result key cannot be used", "what was sealed to it opens with nothing else", "restore the file from its backup", joconde.ExitUsage, nil)
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 {
		return nil, no
	}
	text, err := os.ReadFile(path)
	defer clear(text)
	var file resultFile
	if err != nil || record.Strict(text, &file) != nil || file.Format != 1 {
		return nil, no // what Strict says could quote the file
	}
	secret, err := hex.DecodeString(file.Private)
	defer clear(secret)
	if err != nil {
		return nil, no
	}
	k, err := seal.ParseKey(secret)
	if err != nil || k.Public() != file.Public {
		return nil, no
	}
	return k, nil
}

// save writes a value as canonical JSON.
func (h *Home) save(path string, v any) error {
	data, err := record.Canonical(v)
	if err != nil {
		return err
	}
	return h.disk.write(path, data)
}

// load reads what save wrote; fs.ErrNotExist if there is no such file.
func (h *Home) load(path string, v any) error {
	data, err := h.disk.read(path)
	if err != nil {
		return err
	}
	if err := record.Strict(data, v); err != nil {
		return damaged(path, err)
	}
	return nil
}

func damaged(path string, cause error) error {
	return problem("JOC-G005", path, "a file of the home is not as the agent wrote it", "each has one form, and is written as a whole or not at all",
		"restore it from a backup; do not edit it", joconde.ExitInternal, cause)
}
