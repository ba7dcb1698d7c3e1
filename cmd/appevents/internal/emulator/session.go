package emulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/appevents/appevents-go/cmd/appevents/internal/files"
)

// saveInterval is how often a changed session is saved.
const saveInterval = 5 * time.Second

// ErrSessionInUse says that the session file is that of another Emulator, in whatever process, that has not ended.
var ErrSessionInUse = errors.New("another emulator that is running keeps its session there")

// claim takes the session file for this Emulator alone. Others may read it: what is locked is a file beside it, which
// has a name of its own as each save puts a new file in the place of the session.
func (e *Emulator) claim() error {
	e.release = func() {}
	if e.cfg.SessionFile == "" {
		return nil
	}
	if target, err := filepath.EvalSymlinks(e.cfg.SessionFile); err == nil {
		e.cfg.SessionFile = target // by whatever name: it is one session
	}
	dir, base := filepath.Split(e.cfg.SessionFile)
	release, err := files.Lock(filepath.Join(dir, "."+base+".appevents-lock"))
	switch {
	case errors.Is(err, files.ErrLocked):
		return fmt.Errorf("emulator: %s: %w", e.cfg.SessionFile, ErrSessionInUse)
	case errors.Is(err, files.ErrNoLocks):
		e.log.Warn("the session cannot be locked: start no second emulator with it", "file", e.cfg.SessionFile, "error", err)
	case err != nil:
		return fmt.Errorf("emulator: session: %w", err)
	default:
		e.release = release
	}
	return nil
}

// restore reads the session file; a missing one is a new session.
func (e *Emulator) restore() error {
	if e.cfg.SessionFile == "" {
		return nil
	}
	data, err := os.ReadFile(e.cfg.SessionFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("emulator: session: %w", err)
	}
	s := e.newStore()
	s.People, s.Pages = nil, nil
	if err := json.Unmarshal(data, &s); err != nil || !s.whole() {
		return fmt.Errorf("emulator: %s is not a session of this version, and stays as it is: name another file, or move "+
			"this one away", e.cfg.SessionFile)
	}
	fresh := e.newStore()
	if len(s.People) == 0 {
		s.People = fresh.People
	}
	e.s = s
	if e.pageByID(e.cfg.PageID) == nil {
		e.s.Pages = append(fresh.Pages, s.Pages...)
	}
	for _, x := range e.s.Exchanges {
		x.Done = true // nothing is on its way any more
	}
	return nil
}

// whole reports whether a store that was read can be gone on with: exchanges and turns are found by their distance from
// the first.
func (s *store) whole() bool {
	if s.Schema != 1 || s.Cells == nil || s.Seen == nil || s.Currency == nil {
		return false
	}
	for _, c := range s.Cells {
		if c == nil || c.RefusedBy == nil || c.Value == nil || c.People == nil {
			return false
		}
	}
	for n, x := range s.Exchanges {
		if x == nil || x.ID != s.Exchanges[0].ID+int64(n) || x.ID >= s.NextID {
			return false
		}
	}
	for n, t := range s.Turns {
		if t == nil || t.ID != s.Turns[0].ID+int64(n) || t.ID >= s.NextTurn {
			return false
		}
	}
	for _, p := range s.Pages {
		if p == nil || slices.Contains(p.Labels, nil) {
			return false
		}
	}
	return !slices.Contains(s.People, nil) && !slices.Contains(s.Messages, nil) && !slices.Contains(s.Datasets, nil)
}

// save writes the session in one step, for its owner's eyes only. Credentials are not part of it.
func (e *Emulator) save() error {
	if e.cfg.SessionFile == "" {
		return nil
	}
	e.mu.Lock()
	data, err := json.Marshal(&e.s)
	e.mu.Unlock()
	if err != nil {
		return fmt.Errorf("emulator: session: %w", err)
	}
	if err := files.Replace(e.cfg.SessionFile, data); err != nil {
		return fmt.Errorf("emulator: session: %w", err)
	}
	return nil
}

func (e *Emulator) saveEvery() {
	ticker := time.NewTicker(saveInterval)
	defer ticker.Stop()
	saved, _ := e.Changed()
	told := false
	for {
		select {
		case <-ticker.C:
		case <-e.ctx.Done():
			return
		}
		rev, _ := e.Changed()
		if rev == saved {
			continue
		}
		if err := e.save(); err != nil {
			if !told {
				e.log.Error("the session cannot be saved; it is tried again, and what was saved before stays", "error", err)
			}
			told = true
			continue
		}
		saved, told = rev, false
	}
}
