package irc

import "parley/gateway"

// Describe implements gateway.Native.
func (c *IRC) Describe() gateway.Capabilities {
	cell := func(l gateway.Level, how string) gateway.Cell { return gateway.Cell{Level: l, How: how} }
	return gateway.Capabilities{
		Network: "irc", System: "IRC (linked server, RFC 2813)",
		Limits: gateway.Limits{Text: lineText * mostLines, Line: lineText, Name: c.cfg.NickLen},
		Cells: map[gateway.Feature]gateway.Pair{
			gateway.Text:       {Out: cell(gateway.Full, "PRIVMSG"), In: cell(gateway.Full, "PRIVMSG; an action begins with * and the nick")},
			gateway.Formatting: {Out: cell(gateway.Partial, "bold, italic, struck, monospace; the rest as text"), In: cell(gateway.Partial, "the same; colours and underlining are dropped")},
			gateway.Mentions:   {Out: cell(gateway.Full, "the nick"), In: cell(gateway.Partial, "a nick in front of the line")},
			gateway.LongText:   {Out: cell(gateway.Partial, "lines of 380 octets, 20 at most, then how many are missing"), In: cell(gateway.Full, "a line is a message")},
			gateway.Replies:    {Out: cell(gateway.Fallback, "[re “…”] in front"), In: cell(gateway.Dropped, "IRC has none")},
			gateway.Edits:      {Out: cell(gateway.Fallback, "[edited] and the new text"), In: cell(gateway.Dropped, "IRC has none")},
			gateway.Deletions:  {Out: cell(gateway.Fallback, "told as an action"), In: cell(gateway.Dropped, "IRC has none")},
			gateway.Reactions:  {Out: cell(gateway.Fallback, "told as an action"), In: cell(gateway.Dropped, "IRC has none")},
			gateway.Files:      {Out: cell(gateway.Fallback, "named, not passed on"), In: cell(gateway.Dropped, "IRC has none")},
			gateway.Delivered:  {Out: cell(gateway.Dropped, "IRC has none"), In: cell(gateway.Dropped, "IRC has none")},
			gateway.Read:       {Out: cell(gateway.Dropped, "IRC has none"), In: cell(gateway.Dropped, "IRC has none")},
			gateway.Failures:   {Out: cell(gateway.Fallback, "NOTICE of the gateway's server"), In: cell(gateway.Full, "who is not online, per recipient")},
			gateway.Typing:     {Out: cell(gateway.Dropped, "server links carry no tags"), In: cell(gateway.Dropped, "server links carry no tags")},
			gateway.Groups:     {Out: cell(gateway.Full, "a channel; who is not in it is told in private"), In: cell(gateway.Partial, "channels that are rooms; a channel does not become one")},
			gateway.Joins:      {Out: cell(gateway.Full, "NJOIN, PART"), In: cell(gateway.Full, "JOIN, PART, KICK, change of nick")},
			gateway.Topics:     {Out: cell(gateway.Partial, "TOPIC when the room's state changes"), In: cell(gateway.Dropped, "a topic does not rename the room")},
		},
	}
}
