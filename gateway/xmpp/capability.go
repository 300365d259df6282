package xmpp

import "parley/gateway"

// Describe implements gateway.Native.
func (c *XMPP) Describe() gateway.Capabilities {
	cell := func(l gateway.Level, how string) gateway.Cell { return gateway.Cell{Level: l, How: how} }
	return gateway.Capabilities{
		Network: "xmpp", System: "XMPP (component, XEP-0114)",
		Limits: gateway.Limits{Text: 48 << 10},
		Cells: map[gateway.Feature]gateway.Pair{
			gateway.Text:       {Out: cell(gateway.Full, "body"), In: cell(gateway.Full, "body")},
			gateway.Formatting: {Out: cell(gateway.Partial, "XHTML-IM and styled text (0071, 0393); tables and headings as text"), In: cell(gateway.Partial, "XHTML-IM; colours are dropped, styled text stays as it is")},
			gateway.Mentions:   {Out: cell(gateway.Full, "a link to the address"), In: cell(gateway.Partial, "links to addresses; a bare name stays text")},
			gateway.LongText:   {Out: cell(gateway.Full, "as long as the server takes"), In: cell(gateway.Partial, "to 48 KiB, then an error")},
			gateway.Replies:    {Out: cell(gateway.Full, "0461 with a quote for older clients"), In: cell(gateway.Full, "0461; the quote is left out")},
			gateway.Edits:      {Out: cell(gateway.Full, "0308"), In: cell(gateway.Full, "0308, by the sender")},
			gateway.Deletions:  {Out: cell(gateway.Full, "0424"), In: cell(gateway.Full, "0424, by the sender")},
			gateway.Reactions:  {Out: cell(gateway.Partial, "0444; the last of a person counts"), In: cell(gateway.Partial, "0444; taking one back is not carried")},
			gateway.Files:      {Out: cell(gateway.Fallback, "named, not passed on"), In: cell(gateway.Partial, "a link as text")},
			gateway.Delivered:  {Out: cell(gateway.Partial, "0184 between two"), In: cell(gateway.Full, "0184")},
			gateway.Read:       {Out: cell(gateway.Partial, "0333 between two"), In: cell(gateway.Full, "0333")},
			gateway.Failures:   {Out: cell(gateway.Full, "an error about the message"), In: cell(gateway.Full, "errors of the server, at once or later")},
			gateway.Typing:     {Out: cell(gateway.Dropped, "MIMI clients do not tell it yet"), In: cell(gateway.Dropped, "MIMI clients do not show it yet")},
			gateway.Groups:     {Out: cell(gateway.Full, "a members-only room (0045); who is not in it is told in private"), In: cell(gateway.Partial, "rooms of the gateway; a room elsewhere does not become one")},
			gateway.Joins:      {Out: cell(gateway.Full, "presence in the room"), In: cell(gateway.Partial, "entering, kicks and bans; closing the room is not leaving")},
			gateway.Topics:     {Out: cell(gateway.Partial, "the subject, when the room's state changes"), In: cell(gateway.Dropped, "a subject does not rename the room")},
		},
	}
}
