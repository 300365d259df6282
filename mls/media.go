package mls

import (
	"slices"

	"parley/mls/wire"
	"parley/syntax"
)

// mediaTypes returns the content_media_types of a dictionary, nil when there is none (mls-extensions §6.2). An empty list is refused.
func mediaTypes(dictionary *wire.AppDataDictionary) ([]wire.MediaType, error) {
	data, ok := dictionary.Find(wire.ContentMediaTypesComponent)
	if !ok {
		return nil, nil
	}
	var list wire.MediaTypeList
	if err := syntax.Unmarshal(data, &list); err != nil {
		return nil, because(RuleDictionary, err)
	}
	return list.Types, nil
}

// replaceMediaTypes is the logic of content_media_types when the caller has none: the list is replaced by one that is not empty.
func replaceMediaTypes(current []byte, present bool, updates [][]byte) ([]byte, error) {
	for _, u := range updates {
		if err := syntax.Unmarshal(u, new(wire.MediaTypeList)); err != nil {
			return nil, err
		}
	}
	return replaceWhole(current, present, updates)
}

// checkMedia refuses a commit of this client that brings in a member, or lets a member stay, that does not list a media type which the
// group requires (mls-extensions §6.2.3, X-CMT-04). It binds committers only: a received commit is not judged by it.
func (g *PublicGroup) checkMedia(p *plan) error {
	if len(p.needs.media) == 0 {
		return nil
	}
	for _, a := range p.added {
		if err := g.cfg.supportsMedia(p.needs.media, a.After); err != nil {
			return err
		}
	}
	for _, u := range p.updated {
		if err := g.cfg.supportsMedia(p.needs.media, u.After); err != nil {
			return err
		}
	}
	if sameMedia(p.needs.media, g.needs.media) {
		return nil
	}
	for _, leaf := range p.tree.All() {
		if err := g.cfg.supportsMedia(p.needs.media, leaf); err != nil {
			return err
		}
	}
	return nil
}

func (c *Config) supportsMedia(required []wire.MediaType, leaf *wire.LeafNode) error {
	dictionary, _, err := dictionaryOf(leaf.Extensions)
	if err != nil {
		return err
	}
	listed, err := mediaTypes(&dictionary)
	if err != nil {
		return err
	}
	for i := range required {
		if slices.ContainsFunc(listed, func(m wire.MediaType) bool { return m.Equal(&required[i]) }) {
			continue
		}
		if c.AssumeMediaType == nil || !c.AssumeMediaType(leaf, &required[i]) {
			return broken(RuleMediaType)
		}
	}
	return nil
}

func sameMedia(a, b []wire.MediaType) bool {
	return slices.EqualFunc(a, b, func(x, y wire.MediaType) bool { return x.Equal(&y) })
}

// checkFraming checks that application data is an ApplicationFraming where the group asks for it (mls-extensions §6.2.4).
func (n *needs) checkFraming(data []byte) error {
	if len(n.media) == 0 {
		return nil
	}
	return because(RuleFraming, syntax.Unmarshal(data, new(wire.ApplicationFraming)))
}

// Framing returns the ApplicationFraming of a received message, nil in groups that have no content_media_types (mls-extensions §6.2.4).
// An empty media type is filled in with the first one of the group's list. RuleFraming: the sender broke the format. Such a message is
// given out all the same, because its key is used up and the caller may want to say what came.
func (r *Received) Framing() (*wire.ApplicationFraming, error) {
	if len(r.media) == 0 {
		return nil, nil
	}
	f := new(wire.ApplicationFraming)
	if err := syntax.Unmarshal(r.Data, f); err != nil {
		return nil, because(RuleFraming, err)
	}
	if len(f.MediaType.Type) == 0 {
		f.MediaType = r.media[0]
	}
	return f, nil
}
