package main

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
)

// shellCommands splits text into commands and their words. It is kinder than a shell: "&", "<" and ">" inside a word
// are letters, since addresses and placeholders such as <PAGE_ID> are often pasted without quotes. Nothing is
// expanded: a variable stays what it is.
func shellCommands(text string) ([][]string, error) {
	s := shell{text: text}
	return s.commands()
}

// A shell reads words.
type shell struct {
	text string
	pos  int

	word    strings.Builder
	started bool // the word has begun, and may be empty: ''
	words   []string
	all     [][]string
}

func (s *shell) commands() ([][]string, error) {
	for s.pos < len(s.text) {
		rest := s.text[s.pos:]
		c := rest[0]
		s.pos++
		switch {
		case c == '\\' || c == '^' && lineEnd(rest[1:]) > 0 || c == '`' && lineEnd(rest[1:]) > 0:
			if n := lineEnd(rest[1:]); n > 0 { // the line goes on, by the word of bash, cmd or PowerShell
				s.pos += n
			} else if len(rest) > 1 {
				_, size := utf8.DecodeRuneInString(rest[1:])
				s.add(rest[1 : 1+size])
				s.pos += size
			}
		case c == '\'':
			end := strings.IndexByte(rest[1:], '\'')
			if end < 0 {
				return nil, errors.New("a single quote is not closed")
			}
			s.add(rest[1 : 1+end])
			s.pos += end + 1
		case c == '"':
			if err := s.doubleQuoted(); err != nil {
				return nil, err
			}
		case c == '$' && strings.HasPrefix(rest, "$'") && !s.started:
			s.pos++
			if err := s.ansiQuoted(); err != nil {
				return nil, err
			}
		case c == ' ' || c == '\t' || c == '\r':
			s.endWord()
		case c == '\n' || c == ';' || !s.started && (c == '|' || c == '&'):
			s.endCommand()
		case c == '#' && !s.started && len(s.words) > 0: // a comment
			if end := strings.IndexByte(rest, '\n'); end >= 0 {
				s.pos += end - 1
			} else {
				s.pos = len(s.text)
			}
		default:
			s.add(rest[:1])
		}
	}
	s.endCommand()
	return s.all, nil
}

// lineEnd is the length of the line end that text begins with.
func lineEnd(text string) int {
	if strings.HasPrefix(text, "\r\n") {
		return 2
	}
	if strings.HasPrefix(text, "\n") {
		return 1
	}
	return 0
}

func (s *shell) add(text string) {
	s.word.WriteString(text)
	s.started = true
}

func (s *shell) endWord() {
	if s.started {
		s.words = append(s.words, s.word.String())
	}
	s.word.Reset()
	s.started = false
}

func (s *shell) endCommand() {
	s.endWord()
	if len(s.words) > 0 {
		s.all = append(s.all, s.words)
	}
	s.words = nil
}

func (s *shell) doubleQuoted() error {
	s.started = true
	for s.pos < len(s.text) {
		c := s.text[s.pos]
		s.pos++
		switch {
		case c == '"':
			return nil
		case c == '\\' && s.pos < len(s.text):
			next := s.text[s.pos]
			if n := lineEnd(s.text[s.pos:]); n > 0 {
				s.pos += n
				continue
			}
			if !strings.ContainsRune("\"\\$`", rune(next)) {
				s.word.WriteByte('\\')
			}
			s.word.WriteByte(next)
			s.pos++
		default:
			s.word.WriteByte(c)
		}
	}
	return errors.New("a double quote is not closed")
}

// ansiQuoted reads $'…', in which browsers copy requests.
func (s *shell) ansiQuoted() error {
	s.started = true
	for s.pos < len(s.text) {
		c := s.text[s.pos]
		s.pos++
		switch {
		case c == '\'':
			return nil
		case c != '\\' || s.pos == len(s.text):
			s.word.WriteByte(c)
		default:
			c = s.text[s.pos]
			s.pos++
			digits := 0
			switch c {
			case 'n':
				s.word.WriteByte('\n')
			case 'r':
				s.word.WriteByte('\r')
			case 't':
				s.word.WriteByte('\t')
			case 'u':
				digits = 4
			case 'U':
				digits = 8
			case 'x':
				digits = 2
			default:
				s.word.WriteByte(c)
			}
			s.hex(c, digits)
		}
	}
	return errors.New("a quote after $ is not closed")
}

// hex reads the digits after \x and \u, up to as many as given.
func (s *shell) hex(c byte, most int) {
	if most == 0 {
		return
	}
	end := s.pos
	for end < len(s.text) && end-s.pos < most && strings.IndexByte("0123456789abcdefABCDEF", s.text[end]) >= 0 {
		end++
	}
	n, err := strconv.ParseUint(s.text[s.pos:end], 16, 32)
	switch {
	case err != nil:
		s.word.WriteString(`\` + string(c))
	case c == 'x':
		s.word.WriteByte(byte(n)) //nolint:gosec // two digits
	default:
		s.word.WriteRune(rune(n)) //nolint:gosec // a wrong one becomes U+FFFD
	}
	s.pos = end
}
