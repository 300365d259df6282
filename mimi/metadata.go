package mimi

import (
	"strings"

	"parley/syntax"
	"parley/uri"
)

// RoomDescription is a room's description in one language and media type; an empty type means text/plain;charset=utf-8 (P-RM-04).
type RoomDescription struct {
	MediaType string
	Language  string
	Content   string
}

func (v *RoomDescription) Syntax(c *syntax.Codec) {
	syntax.Text(c, &v.MediaType)
	syntax.Text(c, &v.Language)
	syntax.Text(c, &v.Content)
}

// RoomMetadata is the room_metadata component and its update, which replaces the whole value (§7.6).
type RoomMetadata struct {
	Room         string // the room's URI; immutable (P-RM-06)
	Name         string
	Descriptions []RoomDescription
	Avatar       string // https URL; empty: none
	Subject      string
	Mood         string
}

func (v *RoomMetadata) Syntax(c *syntax.Codec) {
	syntax.Text(c, &v.Room)
	syntax.Text(c, &v.Name)
	syntax.Structs(c, &v.Descriptions)
	syntax.Text(c, &v.Avatar)
	syntax.Text(c, &v.Subject)
	syntax.Text(c, &v.Mood)
}

// Validate checks what the value must fulfil by itself: no NUL, a room, an https avatar or none (P-RM-03).
func (v *RoomMetadata) Validate() error {
	texts := []string{v.Room, v.Name, v.Avatar, v.Subject, v.Mood}
	for _, d := range v.Descriptions {
		texts = append(texts, d.MediaType, d.Language, d.Content)
	}
	for _, s := range texts {
		if strings.ContainsRune(s, 0) {
			return ErrNUL
		}
	}
	if _, err := uri.ParseRoom(v.Room); err != nil {
		return ErrIdentifier
	}
	if v.Avatar != "" && !isHTTPS(v.Avatar) {
		return ErrAvatar
	}
	return nil
}

func isHTTPS(s string) bool {
	const scheme = "https://"
	return len(s) > len(scheme) && strings.EqualFold(s[:len(scheme)], scheme) && s[len(scheme)] != '/'
}
