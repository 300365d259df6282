package webhook

import "parley/gateway"

// Describe implements gateway.Native.
func (w *Webhook) Describe() gateway.Capabilities { return Capabilities() }

// Capabilities are what a system behind a webhook can be told, and can tell.
func Capabilities() gateway.Capabilities {
	cell := func(l gateway.Level, how string) gateway.Cell { return gateway.Cell{Level: l, How: how} }
	full := func(how string) gateway.Pair {
		return gateway.Pair{Out: cell(gateway.Full, how), In: cell(gateway.Full, how)}
	}
	return gateway.Capabilities{
		Network: "webhook", System: "Webhook (signed HTTP, Standard Webhooks)",
		Limits: gateway.Limits{Text: mostBody / 2},
		Cells: map[gateway.Feature]gateway.Pair{
			gateway.Text:       full("plain"),
			gateway.Formatting: {Out: cell(gateway.Full, "html besides plain"), In: cell(gateway.Partial, "html; colours are dropped")},
			gateway.Mentions:   {Out: cell(gateway.Partial, "a link to the mimi: URI"), In: cell(gateway.Partial, "a link to the mimi: URI")},
			gateway.LongText:   {Out: cell(gateway.Full, "64 KiB, as MIMI has it"), In: cell(gateway.Partial, "to 48 KiB, then 400")},
			gateway.Replies:    full("target"),
			gateway.Edits:      full("verb edit"),
			gateway.Deletions:  full("verb delete"),
			gateway.Reactions:  {Out: cell(gateway.Partial, "verb react; none is taken back"), In: cell(gateway.Partial, "verb react; none is taken back")},
			gateway.Files:      {Out: cell(gateway.Fallback, "named, not passed on"), In: cell(gateway.Dropped, "no field for them")},
			gateway.Delivered:  full("verb report"),
			gateway.Read:       full("verb report"),
			gateway.Failures:   {Out: cell(gateway.Full, "verb failure"), In: cell(gateway.Full, "a 4xx, or verb report")},
			gateway.Typing:     {Out: cell(gateway.Dropped, "MIMI clients do not tell it yet"), In: cell(gateway.Dropped, "MIMI clients do not show it yet")},
			gateway.Groups:     {Out: cell(gateway.Full, "group and people"), In: cell(gateway.Partial, "groups that are rooms")},
			gateway.Joins:      full("verbs enter and leave"),
			gateway.Topics:     {Out: cell(gateway.Full, "verb rename, and title everywhere"), In: cell(gateway.Dropped, "a title does not rename the room")},
		},
	}
}
