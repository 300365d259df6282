package tree

import (
	"bufio"
	"errors"
	"io"

	"parley/mls/suite"
	"parley/mls/wire"
	"parley/syntax"
)

// WriteTo writes the tree as it travels (RFC 9420 §12.4.3.3), node by node, without having it in memory as a whole.
func (t *Tree) WriteTo(w io.Writer) (int64, error) {
	var end NodeIndex // behind the last node that is not blank
	t.root.visit(0, func(n *node, at NodeIndex) {
		if !n.blank() {
			end = max(end, at+1)
		}
	})
	size := 0
	t.root.stream(0, end, func(_ byte, o content) {
		if size++; o != "" {
			size += 1 + len(o)
		}
	})
	if size > syntax.MaxVector {
		return 0, syntax.ErrTooLong
	}
	out := counter{w: bufio.NewWriter(w)}
	out.write(string(appendLength(nil, size)))
	t.root.stream(0, end, func(kind byte, o content) {
		if o == "" {
			out.write("\x00")
			return
		}
		out.write(string([]byte{1, kind}))
		out.write(string(o))
	})
	if out.err == nil {
		out.err = out.w.Flush()
	}
	return out.n, out.err
}

// stream calls f with each node below end in array order, blank ones too.
func (n *node) stream(start LeafIndex, end NodeIndex, f func(kind byte, o content)) {
	if start.Node() >= end {
		return
	}
	if n.level == 0 {
		f(leafKind, n.octets)
		return
	}
	left, right := n.kids()
	left.stream(start, end, f)
	if nodeAt(int(n.level), start) < end {
		f(parentKind, n.octets)
	}
	right.stream(start+LeafIndex(n.width()/2), end, f)
}

// counter counts what is written and keeps the first error.
type counter struct {
	w   *bufio.Writer
	n   int64
	err error
}

func (c *counter) write(s string) {
	if c.err != nil {
		return
	}
	var n int
	n, c.err = c.w.WriteString(s)
	c.n += int64(n)
}

// maxNode is the number of octets that one node in a stream may take: more than a parent has with as many unmerged leaves as the widest tree
// of the default limits, or a leaf with a long chain of certificates.
const maxNode = 1 << 20

// ReadFrom reads a tree as it travels and checks it as FromWire does. Of what it reads it holds only the nodes' content, which the tree keeps, and a
// small buffer; octets behind the tree may be read too. It stops at the first node beyond the limits.
func ReadFrom(s *suite.Suite, r io.Reader, l Limits) (*Tree, error) {
	in := reader{r: r, buf: make([]byte, 0, 1<<12), limits: syntax.Limits{Elements: elementsPerLeaf * int(l.width())}}
	left, err := in.length()
	if err != nil {
		return nil, err
	}
	var nodes []content
	for left > 0 {
		if len(nodes) == 2*int(l.width())-1 {
			return nil, ErrTooLarge
		}
		o, used, err := in.node(left, len(nodes)%2 == 0)
		if err != nil {
			return nil, err
		}
		nodes, left = append(nodes, o), left-used
	}
	if len(nodes) == 0 || nodes[len(nodes)-1] == "" {
		return nil, ErrShape
	}
	width := widthFor(uint32(len(nodes))/2 + 1)
	return build(s, l, width, func(at NodeIndex) *wire.Node {
		if int(at) >= len(nodes) || nodes[at] == "" {
			return nil
		}
		if _, leaf := at.Leaf(); leaf {
			return &wire.Node{Leaf: nodes[at].leaf()}
		}
		return &wire.Node{Parent: nodes[at].parent()}
	})
}

// reader decodes values one by one out of a stream.
type reader struct {
	r      io.Reader
	buf    []byte
	off    int // of what is not used yet
	end    bool
	limits syntax.Limits
}

func (r *reader) unused() []byte { return r.buf[r.off:] }

// more reads on, ErrTruncated at the end.
func (r *reader) more() error {
	if r.end {
		return syntax.ErrTruncated
	}
	if len(r.buf) == cap(r.buf) {
		rest := r.unused()
		if 2*len(rest) > cap(r.buf) {
			r.buf = append(make([]byte, 0, 2*cap(r.buf)), rest...)
		} else {
			r.buf = r.buf[:copy(r.buf, rest)]
		}
		r.off = 0
	}
	n, err := r.r.Read(r.buf[len(r.buf):cap(r.buf)])
	r.buf = r.buf[:len(r.buf)+n]
	if err == io.EOF {
		r.end, err = true, nil
	}
	return err
}

// length reads the length of a vector; a longer form than needed is refused.
func (r *reader) length() (int, error) {
	for {
		b := r.unused()
		if len(b) > 0 && b[0]>>6 == 3 {
			return 0, syntax.ErrLength
		}
		if len(b) > 0 && len(b) >= 1<<(b[0]>>6) {
			size := 1 << (b[0] >> 6)
			n := int(b[0] & 0x3f)
			for _, next := range b[1:size] {
				n = n<<8 | int(next)
			}
			if len(appendLength(nil, n)) != size {
				return 0, syntax.ErrLength
			}
			r.off += size
			return n, nil
		}
		if err := r.more(); err != nil {
			return 0, err
		}
	}
}

// optionalNode is a node or none.
type optionalNode struct{ node *wire.Node }

func (v *optionalNode) Syntax(c *syntax.Codec) { syntax.OptionalStruct(c, &v.node) }

// node reads the content of the next node of a vector with left more octets, "" when it is blank, and says how many octets it took. What decodes
// encodes to the same octets, so that they are kept as they are.
func (r *reader) node(left int, leaf bool) (content, int, error) {
	for tried := 0; ; {
		have := r.unused()
		have = have[:min(len(have), left)]
		// one that is not there as a whole is tried again when twice as much has come, so that the work stays linear
		if len(have) > 0 && (len(have) >= 2*tried || len(have) == left || r.end) {
			tried = len(have)
			var v optionalNode
			rest, err := r.limits.UnmarshalPrefix(have, &v)
			if err == nil {
				used := len(have) - len(rest)
				r.off += used
				if v.node == nil {
					return "", used, nil
				}
				if leaf != (v.node.Leaf != nil) {
					return "", 0, ErrShape
				}
				return content(have[2:used]), used, nil
			}
			if !errors.Is(err, syntax.ErrTruncated) || len(have) == left || len(have) > maxNode {
				return "", 0, err
			}
		}
		if err := r.more(); err != nil {
			return "", 0, err
		}
	}
}
