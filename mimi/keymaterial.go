package mimi

import (
	"parley/mls/wire"
	"parley/syntax"
	"parley/uri"
)

// KeyMaterialRequest claims one KeyPackage of each client of a user (§5.2). Signature covers the rest, by the requesting client.
type KeyMaterialRequest struct {
	Protocol       Protocol
	RequestingUser string
	TargetUser     string
	Room           string // empty: for no particular room
	Suites         []wire.CipherSuite
	Required       wire.RequiredCapabilities
	SignatureKey   []byte
	Credential     wire.Credential
	Signature      []byte
}

func (v *KeyMaterialRequest) Syntax(c *syntax.Codec) {
	v.unsigned(c)
	syntax.Opaque(c, &v.Signature)
}

func (v *KeyMaterialRequest) unsigned(c *syntax.Codec) {
	syntax.Closed(c, &v.Protocol, MLS10, MLS10)
	syntax.Text(c, &v.RequestingUser)
	syntax.Text(c, &v.TargetUser)
	syntax.Text(c, &v.Room)
	syntax.U16s(c, &v.Suites)
	v.Required.Syntax(c)
	syntax.Opaque(c, &v.SignatureKey)
	v.Credential.Syntax(c)
}

// Validate checks what a request must fulfil by itself: identifiers of the right kinds and at least one suite (P-KM-07). It does
// not verify the signature: see Verify.
func (v *KeyMaterialRequest) Validate() error {
	if len(v.Suites) == 0 {
		return ErrNoSuites
	}
	if _, err := uri.ParseUser(v.RequestingUser); err != nil {
		return ErrIdentifier
	}
	if _, err := uri.ParseUser(v.TargetUser); err != nil {
		return ErrIdentifier
	}
	if v.Room == "" {
		return nil
	}
	if _, err := uri.ParseRoom(v.Room); err != nil {
		return ErrIdentifier
	}
	return nil
}

// KeyMaterialRequestTBS is what a KeyMaterialRequest's signature covers.
type KeyMaterialRequestTBS struct{ Request KeyMaterialRequest }

func (v *KeyMaterialRequestTBS) Syntax(c *syntax.Codec) { v.Request.unsigned(c) }

// KeyMaterialHead is the part of a KeyMaterialRequest that can be read when its protocol is unknown.
type KeyMaterialHead struct {
	Protocol       Protocol
	RequestingUser string
	TargetUser     string
	Room           string
}

func (v *KeyMaterialHead) Syntax(c *syntax.Codec) {
	syntax.U8(c, &v.Protocol)
	syntax.Text(c, &v.RequestingUser)
	syntax.Text(c, &v.TargetUser)
	syntax.Text(c, &v.Room)
}

// AnswerUnknownProtocol looks at a request body that did not decode. When that is because of its protocol and the head can be
// read, it returns the answer to give: incompatibleProtocol with no clients, nothing consumed (A-78, P-KM-16).
func AnswerUnknownProtocol(body []byte) (*KeyMaterialResponse, bool) {
	var head KeyMaterialHead
	if _, err := (syntax.Limits{}).UnmarshalPrefix(body, &head); err != nil || head.Protocol == MLS10 {
		return nil, false
	}
	if _, err := uri.ParseUser(head.TargetUser); err != nil {
		return nil, false
	}
	return &KeyMaterialResponse{Protocol: MLS10, Status: KeyMaterialIncompatible, User: head.TargetUser}, true
}

// KeyMaterialResponse answers a KeyMaterialRequest (§5.2).
type KeyMaterialResponse struct {
	Protocol Protocol
	Status   KeyMaterialUserCode
	User     string
	Clients  []ClientKeyMaterial
}

func (v *KeyMaterialResponse) Syntax(c *syntax.Codec) {
	syntax.Closed(c, &v.Protocol, MLS10, MLS10)
	syntax.Closed(c, &v.Status, KeyMaterialSuccess, KeyMaterialUserDeleted)
	syntax.Text(c, &v.User)
	syntax.Structs(c, &v.Clients)
}

// Validate checks that status and clients agree: success means material for all, partial for some, noCompatibleMaterial for
// none, and every other code lists nobody (P-KM-14, P-KM-15, P-KM-18, A-24).
func (v *KeyMaterialResponse) Validate() error {
	with := 0
	for i := range v.Clients {
		if v.Clients[i].Status == ClientSuccess {
			with++
		}
	}
	agree := len(v.Clients) == 0
	switch v.Status {
	case KeyMaterialSuccess:
		agree = with == len(v.Clients) && with > 0
	case KeyMaterialPartial:
		agree = with > 0 && with < len(v.Clients)
	case KeyMaterialNothingCompatible:
		agree = with == 0
	}
	if !agree {
		return ErrStatus
	}
	return nil
}

// ClientKeyMaterial is one client's part of the answer (§5.2, A-19). The KeyPackage is raw, not in an MLSMessage.
type ClientKeyMaterial struct {
	Status       KeyMaterialClientCode
	Client       string
	KeyPackage   *wire.KeyPackage   // ClientSuccess
	Capabilities *wire.Capabilities // ClientNothingCompatible; may be nil
}

func (v *ClientKeyMaterial) Syntax(c *syntax.Codec) {
	syntax.Closed(c, &v.Status, ClientSuccess, ClientNothingCompatible)
	syntax.Text(c, &v.Client)
	switch v.Status {
	case ClientSuccess:
		selected(c, &v.KeyPackage)
	case ClientNothingCompatible:
		syntax.OptionalStruct(c, &v.Capabilities)
	}
}
