// Package convert turns the text of MIMI messages into what other chat systems show, and back: XHTML-IM and styled text for XMPP
// (XEP-0071, XEP-0393), HTML for Matrix, formatting codes for IRC, and plain text.
//
// All ways lead over the tree of content/render, which is an allow-list: markup of one network is read into the tree, and markup of
// the other is written from it.
//
// Invariants:
//   - Each conversion returns its losses: what could not be carried, and whether something visible stands in its place.
//   - No character that acts on a network comes from the text of another one: control characters, IRC's formatting codes, characters
//     that XML forbids, and those that turn the direction of text around are dropped, which is a loss (Controls).
//   - The words survive: Markdown made here reads back as the words that went in. Where that would not be so, the result is plain
//     text without form.
//   - Right-to-left text, combining marks and emoji sequences are never cut apart by Split.
//
// The package is pure. It imports content, content/render and uri; it knows nothing of connections, stanzas or addresses.
package convert
