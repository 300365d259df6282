package wire

import (
	"bytes"
	"cmp"
	"slices"
	"sort"

	"parley/syntax"
)

// AppDataDictionary is the content of the app_data_dictionary extension (mls-extensions §4.6): component data by ascending ID,
// each ID once.
type AppDataDictionary struct{ Entries []ComponentData }

func (v *AppDataDictionary) Syntax(c *syntax.Codec) {
	syntax.Structs(c, &v.Entries)
	ascending(c, v.Entries)
}

// Find returns the data of a component.
func (v *AppDataDictionary) Find(id ComponentID) (data []byte, ok bool) {
	for _, e := range v.Entries {
		if e.ID == id {
			return e.Data, true
		}
	}
	return nil, false
}

// With returns a copy of the dictionary in which the component has the given data.
func (v *AppDataDictionary) With(id ComponentID, data []byte) AppDataDictionary {
	out := v.Without(id)
	at := 0
	for at < len(out.Entries) && out.Entries[at].ID < id {
		at++
	}
	out.Entries = append(out.Entries, ComponentData{})
	copy(out.Entries[at+1:], out.Entries[at:])
	out.Entries[at] = ComponentData{ID: id, Data: data}
	return out
}

// Without returns a copy of the dictionary that lacks the component.
func (v *AppDataDictionary) Without(id ComponentID) AppDataDictionary {
	var out AppDataDictionary
	for _, e := range v.Entries {
		if e.ID != id {
			out.Entries = append(out.Entries, e)
		}
	}
	return out
}

// ComponentData is a component's data in a dictionary, and its item in SafeAAD.
type ComponentData struct {
	ID   ComponentID
	Data []byte
}

func (v *ComponentData) Syntax(c *syntax.Codec) {
	syntax.U16(c, &v.ID)
	syntax.Opaque(c, &v.Data)
}

func ascending(c *syntax.Codec, entries []ComponentData) {
	for i := 1; i < len(entries); i++ {
		if entries[i-1].ID >= entries[i].ID {
			c.Fail(syntax.ErrValue)
			return
		}
	}
}

// SafeAAD is what authenticated_data holds when the group uses safe_aad (mls-extensions §4.9): items by ascending ID, nothing
// behind them (A-X3).
type SafeAAD struct{ Items []ComponentData }

func (v *SafeAAD) Syntax(c *syntax.Codec) {
	syntax.Structs(c, &v.Items)
	ascending(c, v.Items)
}

// AppDataOperation is what an AppDataUpdate does. It is a closed code.
type AppDataOperation uint8

const (
	UpdateAppData AppDataOperation = 1
	RemoveAppData AppDataOperation = 2
)

// AppDataUpdate proposes a change of one component's data in the GroupContext (mls-extensions §4.7).
type AppDataUpdate struct {
	Component ComponentID
	Operation AppDataOperation
	Update    []byte // UpdateAppData
}

func (v *AppDataUpdate) Syntax(c *syntax.Codec) {
	syntax.U16(c, &v.Component)
	syntax.Closed(c, &v.Operation, UpdateAppData, RemoveAppData)
	if v.Operation == UpdateAppData {
		syntax.Opaque(c, &v.Update)
	}
}

// AppEphemeral carries component data that a commit makes heard and no state keeps (mls-extensions §4.8).
type AppEphemeral struct {
	Component ComponentID
	Data      []byte
}

func (v *AppEphemeral) Syntax(c *syntax.Codec) {
	syntax.U16(c, &v.Component)
	syntax.Opaque(c, &v.Data)
}

// ComponentsList is the data of app_components and safe_aad (mls-extensions §5). It is a set: duplicates are tolerated.
type ComponentsList struct{ IDs []ComponentID }

func (v *ComponentsList) Syntax(c *syntax.Codec) { syntax.U16s(c, &v.IDs) }

// Has reports whether the list names the component.
func (v *ComponentsList) Has(id ComponentID) bool {
	for _, x := range v.IDs {
		if x == id {
			return true
		}
	}
	return false
}

// WireFormats is the content of supported_wire_formats and required_wire_formats (mls-extensions §7.1).
type WireFormats struct{ Formats []WireFormat }

func (v *WireFormats) Syntax(c *syntax.Codec) { syntax.U16s(c, &v.Formats) }

// Parameter is one parameter of a media type.
type Parameter struct{ Name, Value []byte }

func (v *Parameter) Syntax(c *syntax.Codec) {
	syntax.Opaque(c, &v.Name)
	syntax.Opaque(c, &v.Value)
}

// MediaType is a media type with its parameters (mls-extensions §6.2.2).
type MediaType struct {
	Type       []byte
	Parameters []Parameter
}

func (v *MediaType) Syntax(c *syntax.Codec) {
	syntax.Opaque(c, &v.Type)
	syntax.Structs(c, &v.Parameters)
}

// Equal reports whether two media types are the same: type, subtype and parameter names in any case, parameters in any order.
func (v *MediaType) Equal(o *MediaType) bool {
	if !bytes.EqualFold(v.Type, o.Type) || len(v.Parameters) != len(o.Parameters) {
		return false
	}
	for _, p := range v.Parameters {
		if !slices.ContainsFunc(o.Parameters, func(q Parameter) bool {
			return bytes.EqualFold(p.Name, q.Name) && bytes.Equal(p.Value, q.Value)
		}) {
			return false
		}
	}
	return true
}

// MediaTypeList is the data of content_media_types: at least one media type (mls-extensions §6.2.3).
type MediaTypeList struct{ Types []MediaType }

func (v *MediaTypeList) Syntax(c *syntax.Codec) {
	syntax.Structs(c, &v.Types)
	if len(v.Types) == 0 {
		c.Fail(syntax.ErrValue)
	}
}

// ApplicationFraming names the media type of application data (mls-extensions §6.2.4). An empty type stands for the first type
// of the group's list and then has no parameters (A-X19).
type ApplicationFraming struct {
	MediaType MediaType
	Content   []byte
}

func (v *ApplicationFraming) Syntax(c *syntax.Codec) {
	v.MediaType.Syntax(c)
	syntax.Opaque(c, &v.Content)
	if len(v.MediaType.Type) == 0 && len(v.MediaType.Parameters) > 0 {
		c.Fail(syntax.ErrValue)
	}
}

// ComponentOperationLabel separates the operations of components from each other (mls-extensions §4.1, A-X2).
type ComponentOperationLabel struct {
	BaseLabel []byte
	Component ComponentID
	Label     []byte
}

// NewComponentOperationLabel returns the label of one operation of a component.
func NewComponentOperationLabel(id ComponentID, label string) ComponentOperationLabel {
	return ComponentOperationLabel{BaseLabel: []byte(componentBaseLabel), Component: id, Label: []byte(label)}
}

const componentBaseLabel = "MLS Component"

func (v *ComponentOperationLabel) Syntax(c *syntax.Codec) {
	syntax.Opaque(c, &v.BaseLabel)
	syntax.U16(c, &v.Component)
	syntax.Opaque(c, &v.Label)
	if string(v.BaseLabel) != componentBaseLabel {
		c.Fail(syntax.ErrValue)
	}
}

// ReceivedRange is a run of generations that a member has received from one sender.
type ReceivedRange struct{ Sender, First, Last uint32 }

func (v *ReceivedRange) Syntax(c *syntax.Codec) {
	syntax.U32(c, &v.Sender)
	syntax.U32(c, &v.First)
	syntax.U32(c, &v.Last)
	if v.First > v.Last {
		c.Fail(syntax.ErrValue)
	}
}

// AppAck tells which messages a member has received (mls-extensions §6.1).
type AppAck struct{ Ranges []ReceivedRange }

func (v *AppAck) Syntax(c *syntax.Codec) { syntax.Structs(c, &v.Ranges) }

// Note adds a message that was received, or sent. The ranges are kept sorted by sender and generation, and those that touch are one.
func (v *AppAck) Note(sender, generation uint32) {
	at := sort.Search(len(v.Ranges), func(i int) bool {
		r := &v.Ranges[i]
		return r.Sender > sender || r.Sender == sender && uint64(r.Last)+1 >= uint64(generation)
	})
	if at == len(v.Ranges) || v.Ranges[at].Sender != sender || uint64(v.Ranges[at].First) > uint64(generation)+1 {
		v.Ranges = append(v.Ranges, ReceivedRange{})
		copy(v.Ranges[at+1:], v.Ranges[at:])
		v.Ranges[at] = ReceivedRange{sender, generation, generation}
		return
	}
	r := &v.Ranges[at]
	r.First, r.Last = min(r.First, generation), max(r.Last, generation)
	if next := at + 1; next < len(v.Ranges) && v.Ranges[next].Sender == sender && uint64(r.Last)+1 >= uint64(v.Ranges[next].First) {
		r.Last = max(r.Last, v.Ranges[next].Last)
		v.Ranges = append(v.Ranges[:next], v.Ranges[next+1:]...)
	}
}

// Lacks returns what other has and v, which Note made, has not: messages that somebody received and that never came here. The ranges
// of other may overlap and stand in any order.
func (v *AppAck) Lacks(other *AppAck) []ReceivedRange {
	claims := slices.Clone(other.Ranges)
	slices.SortFunc(claims, func(a, b ReceivedRange) int {
		return cmp.Or(cmp.Compare(a.Sender, b.Sender), cmp.Compare(a.First, b.First))
	})
	var out []ReceivedRange
	have := v.Ranges
	var sender uint32
	var next uint64 // generations of sender below it are accounted for
	for _, want := range claims {
		if want.Sender != sender {
			sender, next = want.Sender, 0
		}
		next = max(next, uint64(want.First))
		for next <= uint64(want.Last) {
			for len(have) > 0 && (have[0].Sender < sender || have[0].Sender == sender && uint64(have[0].Last) < next) {
				have = have[1:]
			}
			if len(have) == 0 || have[0].Sender != sender || have[0].First > want.Last {
				out = append(out, ReceivedRange{sender, uint32(next), want.Last})
				next = uint64(want.Last) + 1
				break
			}
			if uint64(have[0].First) > next {
				out = append(out, ReceivedRange{sender, uint32(next), have[0].First - 1})
			}
			next = uint64(have[0].Last) + 1
		}
	}
	return out
}

// DomainList is the content of ratchet_tree_source_domains (ratchet-tree-options §3.1).
type DomainList struct{ Domains []string }

func (v *DomainList) Syntax(c *syntax.Codec) { syntax.Texts(c, &v.Domains) }
