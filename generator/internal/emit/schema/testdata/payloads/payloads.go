// Package payloads has tasks of every kind of type that JSON can carry.
//
//taskgen:queue name=payloads
//taskgen:defaults queue=payloads timeout=1m
//taskgen:retry none
package payloads

import (
	"encoding/json"
	"math/big"
	"net/netip"
	"strconv"
	"time"
)

// Level writes itself as text.
type Level int

// MarshalText implements encoding.TextMarshaler.
func (l Level) MarshalText() ([]byte, error) { return []byte{'a' + byte(l)}, nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *Level) UnmarshalText(b []byte) error { *l = Level(b[0] - 'a'); return nil }

// Handle writes itself as text where it has an address.
type Handle struct{ No int }

// MarshalText implements encoding.TextMarshaler.
func (h *Handle) MarshalText() ([]byte, error) { return strconv.AppendInt(nil, int64(h.No), 10), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *Handle) UnmarshalText(b []byte) (err error) { h.No, err = strconv.Atoi(string(b)); return err }

// Base is embedded.
type Base struct {
	// Tenant whose task it is, with `quotes` & <brackets>.
	Tenant string `json:"tenant"`
	Hidden string `json:"-"`
}

// Login is a pair
// of texts.
type Login struct {
	User     string `json:"user"`
	Password string `json:"password" task:"secret"`
}

// Node leads back to itself.
type Node struct {
	Name     string           `json:"name"`
	Next     *Node            `json:"next,omitempty"`
	Children []Node           `json:"children"`
	ByName   map[string]*Node `json:"by_name"`
}

// Tree is a list of itself.
type Tree []Tree

// Page is generic.
type Page[T any] struct {
	Items []T `json:"items"`
}

// EverythingTask has a field of each kind.
//
//taskgen:task
type EverythingTask struct {
	Base
	Text      string             `json:"text" task:"required"` // what to embed
	Bytes     []byte             `json:"bytes"`
	At        time.Time          `json:"at"`
	For       time.Duration      `json:"for"`
	Raw       json.RawMessage    `json:"raw,omitempty"`
	Small     int8               `json:"small"`
	Count     uint16             `json:"count"`
	Big       int64              `json:"big,omitempty"`
	Huge      *big.Int           `json:"huge"`
	Exact     json.Number        `json:"exact,omitempty"`
	Share     float64            `json:"share,omitzero"`
	Yes       bool               `json:"yes"`
	Quoted    int                `json:"quoted,string"`
	QuotedPtr *bool              `json:"quoted_ptr,string"`
	Owner     *string            `json:"owner"`
	Level     Level              `json:"level"`
	Levels    map[Level]int      `json:"levels"`
	Addr      netip.Addr         `json:"addr"`
	Handle    Handle             `json:"handle"`
	Handles   map[string]*Handle `json:"handles"`
	Tags      []string           `json:"tags,omitempty"`
	Pair      [2]int             `json:"pair"`
	Pixels    [3]byte            `json:"pixels"`
	ByID      map[uint32]string  `json:"by_id"`
	Any       any                `json:"any"`
	Login     Login              `json:"login"`
	Logins    map[string]Login   `json:"logins"`
	Node      *Node              `json:"node"`
	Tree      Tree               `json:"tree"`
	Page      Page[Login]        `json:"page"`
	Inline    struct{ X, Y int } `json:"inline"`
	APIKey    string             `json:"api_key" task:"secret"`
	Unnamed   map[string]json.RawMessage
}

// StrictTask needs all of its fields.
//
//taskgen:task
type StrictTask struct {
	Text  string            `json:"text" task:"required"`
	Bytes []byte            `json:"bytes" task:"required"`
	Count int               `json:"count" task:"required"`
	List  []string          `json:"list" task:"required"`
	Map   map[string]string `json:"map" task:"required"`
	Ptr   *int              `json:"ptr" task:"required"`
	Login Login             `json:"login" task:"required"`
}

// SelfTask holds itself.
//
//taskgen:task
type SelfTask struct {
	Then *SelfTask `json:"then,omitempty"`
}
