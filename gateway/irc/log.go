package irc

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"parley/gateway"
)

// IRC has no ids, so a message that the network had taken when the gateway died would be sent again. The log is how the network itself
// knows what it has taken: with each message goes, in the same write, a topic for a secret channel that lasts, with the marks of the
// last messages. After a crash it is read before anything is delivered. A server that cannot keep such a channel (ngIRCd can: mode P)
// has no log, and neither has one that was started anew; then messages may come twice.

const (
	logNick    = "mimi-log"
	logChannel = "#mimi-log"
	logToken   = "log"
	mostMarks  = 40 // of 8 characters and a space: below the length of a topic
	markSize   = 8
)

// mark is a message in the log: nobody can tell from it what it was.
func mark(e *gateway.Envelope) string {
	sum := sha256.Sum256([]byte(e.ID + "\x00" + e.Place.Group + "\x00" + string(e.Place.With)))
	return hex.EncodeToString(sum[:markSize/2])
}

// askLog is the lines that ask for the log.
func (c *IRC) askLog() []string {
	for tries := 0; c.native[fold(c.log)] != nil && tries < 8; tries++ {
		c.log += "^"
	}
	about, token := "what was delivered last", logToken
	return []string{
		format(c.cfg.Name, "NICK", []string{c.log, "1", "mimi", c.cfg.Name, "1", "+i"}, &about),
		format(c.cfg.Name, "NJOIN", []string{logChannel}, ptrTo("@"+c.log)),
		format(c.cfg.Name, "MODE", []string{logChannel, "+Psi"}, nil),
		format(c.log, "TOPIC", []string{logChannel}, nil),
		format("", "PING", nil, &token),
	}
}

func ptrTo(s string) *string { return &s }

// remember reads the log.
func (c *IRC) remember(m *message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if fold(m.param(1)) != logChannel {
		return
	}
	for one := range strings.FieldsSeq(m.last()) {
		if len(one) == markSize && !slices.Contains(c.recent, one) {
			c.recent = append(c.recent, one)
		}
	}
}

// taken reports whether the network has a message that was tried before.
func (c *IRC) taken(e *gateway.Envelope) bool { return e.Again && slices.Contains(c.recent, mark(e)) }

// logged is the line that puts a message into the log. It goes in one write with the message.
func (c *IRC) logged(e *gateway.Envelope) string {
	c.recent = append(c.recent, mark(e))
	if len(c.recent) > mostMarks {
		c.recent = slices.Clone(c.recent[len(c.recent)-mostMarks:])
	}
	marks := strings.Join(c.recent, " ")
	return format(c.log, "TOPIC", []string{logChannel}, &marks)
}
