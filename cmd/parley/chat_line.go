package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"parley/uri"
)

// chatLine is what a line of input asks for. Which of the fields are set depends on verb.
type chatLine struct {
	verb string // one of chatVerbs without the slash, or say
	text string // say: the message; room: number, URI or name; new: the name
	user uri.User
	room uri.Room
	id   string // a message, see talkVerbs
	n    int
	wait time.Duration // 0: the session's own limit
}

// say is the verb of a line that is no command.
const say = "say"

// chatVerb describes one command.
type chatVerb struct {
	name, args, what string
	parse            func(c *chatLine, arg string, home uri.Provider) error
}

// chatVerbs are all commands, in the order of /help.
func chatVerbs() []chatVerb {
	return append([]chatVerb{
		{"help", "", "show this", bare},
		{"rooms", "", "list the rooms", bare},
		{"room", "N|URI|NAME", "talk in that room from now on", func(c *chatLine, arg string, _ uri.Provider) error {
			c.text = arg
			return needed(arg)
		}},
		{"new", "NAME", "make a room at your provider and talk there", func(c *chatLine, arg string, _ uri.Provider) error {
			c.text = arg
			return needed(arg)
		}},
		{"join", "URI", "let this device into a room of yours that another of your devices is in", func(c *chatLine, arg string, _ uri.Provider) (err error) {
			if c.room, err = uri.ParseRoom(arg); err != nil {
				return errors.New("that is not a room; rooms look like mimi://a.example/r/name")
			}
			return nil
		}},
		{"people", "", "who is in the room, and who holds their keys", bare},
		{"add", "USER", "add somebody: bob@b.example or mimi://b.example/u/bob", aboutUser},
		{"remove", "USER", "remove somebody", aboutUser},
		{"leave", "", "leave the room with all your devices", bare},
		{"move", "SUITE", "move the room to another cipher suite, for example MLKEM768-X25519", func(c *chatLine, arg string, _ uri.Provider) error {
			c.text = arg
			return needed(arg)
		}},
		{"history", "[N]", "show the last N things that happened in the room (20)", func(c *chatLine, arg string, _ uri.Provider) (err error) {
			c.n = 20
			if arg == "" {
				return nil
			}
			if c.n, err = strconv.Atoi(arg); err != nil || c.n < 1 {
				return errors.New("that is no number above 0")
			}
			return nil
		}},
		{"find", "NUMBER|MAIL|URI|NICK", "look for a person, at other providers too", parseFind},
		{"me", "[prove|confirm|name|show|hide|forget ...]", "what others can find you by", parseMe},
		{"ask", "USER [here]", "ask somebody to let you add them to rooms, or to this one only", parseConsent},
		{"unask", "USER [here]", "take that back", parseConsent},
		{"allow", "USER [here]", "let somebody add you to rooms, or to this one only", parseConsent},
		{"deny", "USER [here]", "let somebody not add you; they are not told", parseConsent},
		{"block", "USER|DOMAIN", "let somebody, or all of a provider, not reach you at all", parseBlock},
		{"unblock", "USER|DOMAIN", "take that back", parseBlock},
		{"requests", "", "who has asked and been answered, and who is blocked", bare},
		{"report", "[anonymously] ID NOTE", "report a message to the room's hub; its operator will read it. ^1 is the last one", parseReport},
		{"wait", "[SECONDS]", "wait until nothing is on its way any more", func(c *chatLine, arg string, _ uri.Provider) error {
			if arg == "" {
				return nil
			}
			seconds, err := strconv.ParseFloat(arg, 64)
			if err != nil || !(seconds > 0 && seconds <= 86400) { // NaN is no time either
				return errors.New("that is no number of seconds above 0, at most a day")
			}
			c.wait = time.Duration(seconds * float64(time.Second))
			return nil
		}},
		{"quit", "", "end; what is on its way is kept and sent at the next start", bare},
	}, append(append(roomVerbs(), talkVerbs()...), fileVerbs()...)...)
}

func bare(_ *chatLine, arg string, _ uri.Provider) error {
	if arg != "" {
		return errors.New("nothing follows this command")
	}
	return nil
}

func needed(arg string) error {
	if arg == "" {
		return errors.New("something is missing")
	}
	return nil
}

func aboutUser(c *chatLine, arg string, home uri.Provider) (err error) {
	if c.user, err = parsePerson(arg, home); err != nil {
		return errors.New("that is not a user; users look like bob@b.example or mimi://b.example/u/bob")
	}
	return nil
}

// parsePerson reads a user's URI, name@domain, or the name of a user of the own provider.
func parsePerson(text string, home uri.Provider) (uri.User, error) {
	if strings.Contains(text, "://") {
		return uri.ParseUser(text)
	}
	if at := strings.LastIndexByte(text, '@'); at >= 0 {
		p, err := uri.ProviderFromDomain(text[at+1:])
		if err != nil {
			return uri.User{}, err
		}
		home, text = p, text[:at]
	}
	if strings.ContainsAny(text, " \t/") {
		return uri.User{}, uri.ErrChar
	}
	return uri.NewUser(home, text)
}

// parseLine reads a line of input. Two slashes begin a message with one. An empty line asks for nothing: its verb is empty.
func parseLine(line string, home uri.Provider) (chatLine, error) {
	line = strings.TrimRight(line, "\r\n")
	if strings.TrimSpace(line) == "" {
		return chatLine{}, nil
	}
	rest, command := strings.CutPrefix(line, "/")
	if !command {
		return chatLine{verb: say, text: line}, nil
	}
	if strings.HasPrefix(rest, "/") {
		return chatLine{verb: say, text: rest}, nil
	}
	name, arg, _ := strings.Cut(rest, " ")
	for _, v := range chatVerbs() {
		if v.name != name {
			continue
		}
		c := chatLine{verb: v.name}
		if err := v.parse(&c, strings.TrimSpace(arg), home); err != nil {
			return chatLine{}, fmt.Errorf("%w: %s", err, v.usage())
		}
		return c, nil
	}
	return chatLine{}, errors.New("there is no such command; /help lists them, and // begins a message with a slash")
}

func (v chatVerb) usage() string { return strings.TrimSpace("/" + v.name + " " + v.args) }

// chatHelp is what /help shows.
func chatHelp() string {
	var b strings.Builder
	b.WriteString("A line is sent to the room as a message. Commands:")
	for _, v := range chatVerbs() {
		fmt.Fprintf(&b, "\n  %-18s %s", v.usage(), v.what)
	}
	return b.String()
}
