package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/appevents/appevents-go/internal/names"
)

// projectFile is the configuration that belongs to the directory the program is started in.
const projectFile = ".appevents.json"

// maxConfig bounds a configuration file.
const maxConfig = 1 << 20

// settings give a flag its value where the command line does not. The first that has one counts: the environment, the
// project's file, the user's file.
type settings struct {
	program *program
	files   []*configFile // the project's, then the user's
	profile string        // "" for none
}

// A configFile holds settings by key, those of the chosen profile in front.
type configFile struct {
	path     string
	project  bool // anybody may have written it: it runs no program and sends no credential elsewhere
	values   map[string]any
	profiles map[string]map[string]any
	chosen   map[string]any // of the profile
}

// settingOf is the setting behind a flag: the variable is APPEVENTS_ and its name, the key in a file the name in lower
// case. A flag with the tag config has a key alone.
func settingOf(flag *kong.Flag) (variable, key string) {
	if name := flag.Tag.Get("setting"); name != "" {
		return "APPEVENTS_" + name, strings.ToLower(name)
	}
	if flag.Tag.Has("config") {
		return "", strings.ReplaceAll(flag.Name, "-", "_")
	}
	return "", ""
}

// keysOf are all keys that a file may hold, in a profile or outside, but for those that have no flag anywhere.
func keysOf(node *kong.Node) map[string]bool {
	keys := map[string]bool{"base_url": true, "version": true, "page": true, "dataset": true, "emulator": true}
	_ = kong.Visit(node, func(v kong.Visitable, next kong.Next) error {
		if flag, ok := v.(*kong.Flag); ok {
			if _, key := settingOf(flag); key != "" {
				keys[key] = true
			}
		}
		return next(nil)
	})
	return keys
}

// Keys without a flag.
const (
	keyAppID        = "app_id"
	keyProfile      = "profile"
	keyProfiles     = "profiles"
	keyTokenCommand = "access_token_command"
)

// load reads the configuration files. profile is that of the command line.
func (s *settings) load(app *kong.Application, profile string) error {
	for _, place := range []struct {
		path    string
		project bool
	}{{filepath.Join(s.program.dir, projectFile), true}, {s.program.userConfig(), false}} {
		file, err := readConfig(place.path, place.project, keysOf(app.Node))
		if err != nil {
			return err
		}
		if file != nil {
			s.files = append(s.files, file)
		}
	}
	return s.choose(profile)
}

// choose looks the profile up: that of the command line, of the environment, of the files.
func (s *settings) choose(profile string) error {
	source := "--profile"
	if profile == "" {
		profile, source = s.program.getenv("APPEVENTS_PROFILE"), "APPEVENTS_PROFILE"
	}
	for _, file := range s.files {
		if name, ok := file.values[keyProfile].(string); ok && profile == "" {
			profile, source = name, file.path
		}
	}
	if profile == "" {
		return nil
	}
	var known []string
	for _, file := range s.files {
		known = append(known, slices.Sorted(maps.Keys(file.profiles))...)
		file.chosen = file.profiles[profile]
	}
	if !slices.Contains(known, profile) {
		return usageError("%s: no configuration file has this profile%s", source, nearest(profile, known))
	}
	s.profile = profile
	return nil
}

// userConfig is the path of the user's file, "" when nothing says where it would be.
func (p *program) userConfig() string {
	if runtime.GOOS == "windows" {
		if dir := p.getenv("AppData"); dir != "" {
			return filepath.Join(dir, "appevents", "config.json")
		}
		return ""
	}
	if dir := p.getenv("XDG_CONFIG_HOME"); filepath.IsAbs(dir) { // a relative one counts as not set
		return filepath.Join(dir, "appevents", "config.json")
	}
	if home := p.getenv("HOME"); home != "" {
		return filepath.Join(home, ".config", "appevents", "config.json")
	}
	return ""
}

// readConfig reads a file; it is nil when there is none.
func readConfig(path string, project bool, keys map[string]bool) (*configFile, error) {
	if path == "" {
		return nil, nil
	}
	file, err := os.Open(path) //nolint:gosec // one of two known places
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) && !project {
		return nil, nil
	}
	if err != nil {
		return nil, usageError("%w", err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxConfig+1))
	if err != nil {
		return nil, usageError("%w", err)
	}
	if len(data) > maxConfig {
		return nil, usageError("%s: longer than 1 MiB", path)
	}
	c := &configFile{path: path, project: project, profiles: make(map[string]map[string]any)}
	if c.values, err = decodeConfig(bytes.TrimPrefix(data, []byte("\ufeff"))); err != nil {
		return nil, usageError("%s: %w", path, err)
	}
	if err := c.check(c.values, "", keys); err != nil {
		return nil, err
	}
	return c, c.checkMode(file)
}

// decodeConfig decodes one JSON object. Numbers keep their digits: an ID has more than a float64 holds.
func decodeConfig(data []byte) (map[string]any, error) {
	var values map[string]any
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	err := dec.Decode(&values)
	if err == nil {
		if _, err = dec.Token(); errors.Is(err, io.EOF) {
			if values == nil {
				return nil, errors.New("it must be a JSON object")
			}
			return values, nil
		}
		return nil, errors.New("something follows the JSON object")
	}
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		line := 1 + bytes.Count(data[:min(int(syntax.Offset), len(data))], []byte("\n"))
		return nil, fmt.Errorf("line %d is not JSON", line)
	}
	return nil, errors.New("it must be a JSON object")
}

// check refuses what does not belong into a file. It repeats no value: one may be a secret.
func (c *configFile) check(values map[string]any, within string, keys map[string]bool) error {
	for _, key := range slices.Sorted(maps.Keys(values)) {
		value, name := values[key], within+key
		if err := c.checkSecret(name, key, value); err != nil {
			return err
		}
		switch {
		case key == keyProfiles && within == "":
			profiles, ok := value.(map[string]any)
			if !ok {
				return usageError("%s: %s must be an object of profiles", c.path, name)
			}
			for profile, content := range profiles {
				settings, ok := content.(map[string]any)
				if !ok {
					return usageError("%s: profiles.%s must be an object", c.path, word(profile))
				}
				if err := c.check(settings, "profiles."+profile+".", keys); err != nil {
					return err
				}
				c.profiles[profile] = settings
			}
			continue
		case key == keyTokenCommand:
			if err := c.checkCommand(name, value); err != nil {
				return err
			}
			continue
		case key == keyProfile && within == "", key == keyAppID, keys[key]:
		default:
			known := slices.Concat(slices.Collect(maps.Keys(keys)), []string{keyAppID, keyProfile, keyProfiles, keyTokenCommand})
			slices.Sort(known)
			return usageError("%s: unknown key %s%s", c.path, keyWord(key), nearest(key, known))
		}
		if _, ok := textOf(value); !ok {
			return usageError("%s: %s must be a text, a number, true or false", c.path, name)
		}
		if err := c.checkURL(name, key, value); err != nil {
			return err
		}
	}
	return nil
}

// keyWord is a key when it is surely a word.
func keyWord(key string) string {
	if regexp.MustCompile(`^[A-Za-z][A-Za-z_-]{0,39}$`).MatchString(key) && !holdsCredential(key) {
		return `"` + key + `"`
	}
	return "(not repeated here)"
}

// secretKey recognises a credential by its key.
var secretKey = regexp.MustCompile(`(?i)(secret|token|password|passwd|api_?key|credentials?)$`)

func (c *configFile) checkSecret(name, key string, value any) error {
	text, _ := json.Marshal(value)
	if !secretKey.MatchString(key) && (key == keyProfiles || !holdsCredential(string(text))) {
		return nil
	}
	variable := "APPEVENTS_ACCESS_TOKEN"
	switch letters := names.Letters(key); {
	case strings.Contains(letters, "secret"):
		variable = "APPEVENTS_APP_SECRET"
	case strings.Contains(letters, "verify"):
		variable = "APPEVENTS_VERIFY_TOKEN"
	}
	if !secretKey.MatchString(key) {
		name = "a value"
	} else if keyWord(key) != `"`+key+`"` {
		name = "a value" // whatever its key is
	}
	return &failure{
		code: exitUsage, err: fmt.Errorf("%s: %s is a secret, and a configuration file is no place for it", c.path, name),
		hint: fmt.Sprintf("put it into the environment (%s) or a file of its own (%s_FILE); for access tokens, the "+
			"user's configuration can name a program (access_token_command)", variable, variable),
	}
}

// checkCommand allows a program in the user's own file alone: a project's comes with whatever was cloned.
func (c *configFile) checkCommand(name string, value any) error {
	if c.project {
		return usageError("%s: %s must not be in a project's file, which would run programs of others; "+
			"it belongs into the user's configuration", c.path, name)
	}
	if _, ok := commandOf(value); !ok {
		return usageError("%s: %s must be a command, or a list of the program and its arguments", c.path, name)
	}
	return nil
}

// checkURL keeps a project's file from sending the user's credentials to a host of its choice.
func (c *configFile) checkURL(name, key string, value any) error {
	text, _ := textOf(value)
	if !c.project || key != "base_url" {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil {
		return usageError("%s: %s must be a URL", c.path, name)
	}
	host := strings.ToLower(u.Hostname())
	ip, err := netip.ParseAddr(host)
	if host == "localhost" || err == nil && ip.IsLoopback() ||
		u.Scheme == "https" && (host == "graph.facebook.com" || host == "graph.instagram.com") {
		return nil
	}
	return usageError("%s: %s leads to another host, where credentials would go; in a project's file it may name this "+
		"machine only, elsewhere it belongs into the environment or the user's configuration", c.path, name)
}

// checkMode refuses to run a program that anybody on this machine may have written down.
func (c *configFile) checkMode(file *os.File) error {
	command := c.values[keyTokenCommand] != nil
	for _, profile := range c.profiles {
		command = command || profile[keyTokenCommand] != nil
	}
	info, err := file.Stat()
	if err == nil && command && runtime.GOOS != "windows" && info.Mode().Perm()&0o002 != 0 {
		return usageError("%s: everybody may write to it, and it names a program to run; chmod o-w", c.path)
	}
	return nil
}

// textOf is a value as it would be typed.
func textOf(value any) (string, bool) {
	switch v := value.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return fmt.Sprint(v), true
	default:
		return "", false
	}
}

// commandOf is a program with its arguments; a text is for the shell.
func commandOf(value any) ([]string, bool) {
	switch v := value.(type) {
	case string:
		if runtime.GOOS == "windows" {
			return []string{"cmd", "/c", v}, v != ""
		}
		return []string{"/bin/sh", "-c", v}, v != ""
	case []any:
		list := make([]string, len(v))
		for i, item := range v {
			text, ok := item.(string)
			if !ok {
				return nil, false
			}
			list[i] = text
		}
		return list, len(list) > 0 && list[0] != ""
	default:
		return nil, false
	}
}

// lookup finds a key in the files, and says in which.
func (s *settings) lookup(key string) (value any, path string) {
	for _, file := range s.files {
		if value, ok := file.chosen[key]; ok {
			return value, file.path
		}
		if value, ok := file.values[key]; ok {
			return value, file.path
		}
	}
	return nil, ""
}

// Validate is for kong. The files have been checked when they were read.
func (s *settings) Validate(*kong.Application) error { return nil }

// Resolve is for kong: the value of a flag that the command line does not have.
func (s *settings) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	variable, key := settingOf(flag)
	if key == "" {
		return nil, nil
	}
	if variable != "" {
		if value := s.program.getenv(variable); value != "" {
			return value, nil
		}
	}
	value, path := s.lookup(key)
	text, ok := textOf(value)
	if !ok {
		return nil, nil
	}
	if b, isBool := value.(bool); flag.IsBool() && isBool {
		return b, nil
	} else if flag.IsBool() != isBool {
		want := "a text or a number"
		if flag.IsBool() {
			want = "true or false"
		}
		return nil, usageError("%s: %s must be %s", path, key, want)
	}
	return text, nil
}
