package mimi

import (
	"parley/mls/wire"
	"parley/syntax"
)

// QueryElement is one condition of an identifier query (§5.8). Elements are and-ed.
type QueryElement struct {
	Type  SearchType
	Name  string // SearchOIDCClaim: the claim; SearchVCardField: the property
	Value string
}

func (v *QueryElement) Syntax(c *syntax.Codec) {
	syntax.Closed(c, &v.Type, SearchHandle, SearchVCardField)
	if v.Type == SearchOIDCClaim || v.Type == SearchVCardField {
		syntax.Text(c, &v.Name)
	}
	syntax.Text(c, &v.Value)
}

// IdentifierRequest asks a provider who somebody is there (§5.8).
type IdentifierRequest struct {
	Elements   []QueryElement
	Extensions wire.AppDataDictionary
}

func (v *IdentifierRequest) Syntax(c *syntax.Codec) {
	syntax.Structs(c, &v.Elements)
	v.Extensions.Syntax(c)
}

// Validate refuses queries that would match everybody.
func (v *IdentifierRequest) Validate() error {
	for _, e := range v.Elements {
		if e.Value == "" {
			return ErrEmptyQuery
		}
	}
	if len(v.Elements) == 0 {
		return ErrEmptyQuery
	}
	return nil
}

// ProfileField is one field of a found profile.
type ProfileField struct {
	Source FieldSource
	Name   string
	Value  []byte
}

func (v *ProfileField) Syntax(c *syntax.Codec) {
	syntax.Closed(c, &v.Source, FieldOIDCClaim, FieldVCardField)
	syntax.Text(c, &v.Name)
	syntax.Opaque(c, &v.Value)
}

// UserProfile is what the provider tells about one match; Stable is the user's URI.
type UserProfile struct {
	Stable string
	Fields []ProfileField
}

func (v *UserProfile) Syntax(c *syntax.Codec) {
	syntax.Text(c, &v.Stable)
	syntax.Structs(c, &v.Fields)
}

// IdentifierResponse answers an IdentifierRequest (§5.8): all matches in URIs, details of some in Profiles.
type IdentifierResponse struct {
	Code       QueryCode
	URIs       []string
	Profiles   []UserProfile
	Extensions wire.AppDataDictionary
}

func (v *IdentifierResponse) Syntax(c *syntax.Codec) {
	syntax.Closed(c, &v.Code, QuerySuccess, QueryUnsupportedField)
	syntax.Texts(c, &v.URIs)
	syntax.Structs(c, &v.Profiles)
	v.Extensions.Syntax(c)
}
