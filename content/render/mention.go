package render

import (
	"strings"

	"parley/uri"
)

// Options are what the receiver's app knows besides the message.
type Options struct {
	// Member gives the name under which the app shows a user of the room: one who has a client in its group. It is nil in an app
	// that does not treat mentions specially; then they are links like others.
	Member func(uri.User) (name string, ok bool)
	Self   uri.User
	// Image gives the address under which the app holds the part with an index, a data: or blob: URL or one of its own. Without it
	// images are named and not shown.
	Image func(index int) (address string, ok bool)
}

// Mention is a link to a user of the room.
type Mention struct {
	User uri.User
	Name string // to show
	Self bool   // the user of this app: it may want to be told
}

// mention tells whether a link is a mention, and how to name the user: as the sender does if that is a name the user has, else by the
// app's own name (§9.6).
func (o Options) mention(link *Node) (Mention, bool) {
	if o.Member == nil || !strings.HasPrefix(link.Target, "mimi:") {
		return Mention{}, false
	}
	user, err := uri.ParseUser(link.Target)
	if err != nil {
		return Mention{}, false
	}
	name, ok := o.Member(user)
	if !ok {
		return Mention{}, false
	}
	name = strings.TrimSpace(Visible(name))
	if name == "" {
		name = user.String()
	}
	hint := strings.TrimSpace(link.words())
	if bare := strings.TrimPrefix(hint, "@"); bare == name || strings.EqualFold(bare, user.Name()) {
		name = bare
	}
	return Mention{User: user, Name: name, Self: user == o.Self}, true
}

// Mentions are the users of the room that a text mentions, each once.
func (n *Node) Mentions(o Options) []Mention {
	var list []Mention
	seen := map[uri.User]bool{}
	n.walk(func(link *Node) {
		if link.Kind != Link {
			return
		}
		if m, ok := o.mention(link); ok && !seen[m.User] {
			seen[m.User] = true
			list = append(list, m)
		}
	})
	return list
}

// Links are all links in a text, mentions included.
func (n *Node) Links(o Options) []LinkTo {
	var list []LinkTo
	n.walk(func(link *Node) {
		if link.Kind == Link {
			list = append(list, LinkTo{link.words(), link.Target, o.verdict(link)})
		}
	})
	return list
}

func (o Options) verdict(link *Node) Verdict {
	if _, ok := o.mention(link); ok {
		return LinkMention
	}
	return Judge(link.words(), link.Target)
}

func (n *Node) walk(visit func(*Node)) {
	visit(n)
	for _, c := range n.Children {
		c.walk(visit)
	}
}

// words is the text below a node in one line.
func (n *Node) words() string {
	var b strings.Builder
	n.walk(func(m *Node) {
		switch m.Kind {
		case Text, Mono, Code, File:
			b.WriteString(m.Text)
		case Image:
			b.WriteString(imageText(m.Text))
		case Break:
			b.WriteByte(' ')
		}
	})
	return b.String()
}
