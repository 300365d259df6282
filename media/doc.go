// Package media is the media profile of 3GPP TS 26.143 as far as MIMI content carries it: its identifiers, and the mapping between its
// containers and the parts of a MIMI message. It also makes the small pictures that clients send beside large ones.
//
// The identifiers are those of table 5.1-1 and of annex A that this project has seen (shared/mission.md, section 1); others are carried as
// they are and never made up. It is pure: octets go in and out. Pictures are decoded only after their size was looked at.
package media
