// Package render turns what people send into what is safe to show: Markdown (GFM-MIMI, draft-ietf-mimi-content-08 §7.1.1), HTML and
// plain text become one small tree of paragraphs, lists, links and their like, and the tree becomes HTML or plain text again. It
// finds mentions and judges links (§9.6).
//
// Invariants:
//   - The tree is the allow-list: it has no kind for scripts, styles, forms or frames, and HTML is written from the tree alone, with
//     every text escaped and every tag closed. Nothing of the sender's markup is copied (C-HTM-01).
//   - Nothing is loaded from anywhere: images are parts of the same message (cid:N@local.invalid), others become links.
//   - Links lead to absolute URLs of a few known schemes. Control characters and those that turn the direction of text are dropped.
//   - Length, depth and number of nodes are bounded; beyond the bounds text loses its form, not its words.
//
// The package is pure. It imports content and uri, goldmark for the grammar of Markdown, and the tokenizer and the rules for
// host names of golang.org/x/net. Those who only read and write messages import content and link none of these.
package render
