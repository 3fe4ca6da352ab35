package policy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
)

// decode reads the arguments of a call, and refuses every encoding but the one
// that go-ethereum's packer produces. The walk over the layout comes first: it
// visits each byte once, so that overlapping or far offsets can't make the
// general decoder after it allocate more than the calldata's size or run wild.
// Then go-ethereum unpacks and packs again, and the bytes must be equal.
func (f *Function) decode(data []byte) ([]value, error) {
	w := walker{data: data}
	vals, end, err := w.sequence(f.Params, 0)
	if err != nil {
		return nil, err
	}
	if end != len(data) {
		return nil, fmt.Errorf("%d bytes follow the arguments", len(data)-end)
	}
	again, err := f.repack(data)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(again, data) {
		return nil, errors.New("encoding is not the canonical one")
	}
	return vals, nil
}

// repack runs the bytes through go-ethereum and back. Its reflection may panic
// on what it does not expect; that is an answer, too.
func (f *Function) repack(data []byte) (out []byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			out, err = nil, fmt.Errorf("unpack: %v", r)
		}
	}()
	vals, err := f.args.UnpackValues(data)
	if err != nil {
		return nil, fmt.Errorf("unpack: %w", err)
	}
	return f.args.Pack(vals...)
}

// walker knows the canonical layout: heads in order, then tails in order,
// without gap or overlap.
type walker struct{ data []byte }

// sequence reads values that lie side by side from base and returns where they
// end. Offsets inside count from base.
func (w *walker) sequence(params []Parameter, base int) ([]value, int, error) {
	types := make([]*abiType, len(params))
	for i, p := range params {
		types[i] = p.typ
	}
	return w.types(types, base, func(i int) string { return "argument " + params[i].Name })
}

func (w *walker) types(types []*abiType, base int, name func(int) string) ([]value, int, error) {
	head := 0
	for _, t := range types {
		head += 32 * t.words
	}
	if head > len(w.data)-base {
		return nil, 0, fmt.Errorf("%d bytes of arguments; want at least %d", len(w.data)-base, head)
	}
	vals := make([]value, len(types))
	at, tail := base, base+head
	for i, t := range types {
		var err error
		if t.dynamic {
			off := binary.BigEndian.Uint64(w.data[at+24 : at+32])
			if !zero(w.data[at:at+24]) || off != uint64(tail-base) {
				return nil, 0, fmt.Errorf("%s: offset does not point to where its data belongs", name(i))
			}
			vals[i], tail, err = w.tail(t, tail)
		} else {
			vals[i], err = w.static(t, at)
		}
		if err != nil {
			return nil, 0, fmt.Errorf("%s: %w", name(i), err)
		}
		at += 32 * t.words
	}
	return vals, tail, nil
}

// tail reads the data of a dynamic type and returns where it ends.
func (w *walker) tail(t *abiType, at int) (value, int, error) {
	v := value{typ: t}
	item := func(i int) string { return fmt.Sprintf("item %d", i+1) }
	switch t.kind {
	case kindTuple:
		items, end, err := w.sequence(t.fields, at)
		v.items = items
		return v, end, err
	case kindArray:
		items, end, err := w.types(repeat(t.elem, t.size), at, item)
		v.items = items
		return v, end, err
	}
	n, err := w.length(at)
	if err != nil {
		return v, 0, err
	}
	at += 32
	left := len(w.data) - at
	if t.kind == kindList {
		if n > left/(32*t.elem.words) {
			return v, 0, fmt.Errorf("%d items don't fit in the calldata", n)
		}
		items, end, err := w.types(repeat(t.elem, n), at, item)
		v.items = items
		return v, end, err
	}
	padded := (n + 31) / 32 * 32
	if n > left || padded > left {
		return v, 0, fmt.Errorf("%d bytes don't fit in the calldata", n)
	}
	if !zero(w.data[at+n : at+padded]) {
		return v, 0, errors.New("padding is not zero")
	}
	v.raw = w.data[at : at+n]
	return v, at + padded, nil
}

func (w *walker) length(at int) (int, error) {
	if len(w.data)-at < 32 {
		return 0, errors.New("length is missing")
	}
	n := binary.BigEndian.Uint64(w.data[at+24 : at+32])
	if !zero(w.data[at:at+24]) || n > uint64(len(w.data)) {
		return 0, errors.New("length is longer than the calldata")
	}
	return int(n), nil
}

// static reads a type of fixed size in place.
func (w *walker) static(t *abiType, at int) (value, error) {
	v := value{typ: t}
	switch t.kind {
	case kindTuple:
		items, _, err := w.sequence(t.fields, at)
		v.items = items
		return v, err
	case kindArray:
		items, _, err := w.types(repeat(t.elem, t.size), at, func(i int) string { return fmt.Sprintf("item %d", i+1) })
		v.items = items
		return v, err
	}
	copy(v.word[:], w.data[at:at+32])
	if !clean(t, v.word) {
		return v, fmt.Errorf("%s has bits set outside its type", t.text)
	}
	return v, nil
}

// clean reports whether a word holds nothing but a value of its type.
func clean(t *abiType, w [32]byte) bool {
	switch t.kind {
	case kindBool:
		return zero(w[:31]) && w[31] <= 1
	case kindFixedBytes:
		return zero(w[t.size:])
	case kindInt:
		first := 32 - t.size/8
		fill := byte(0)
		if w[first]&0x80 != 0 {
			fill = 0xff
		}
		for _, b := range w[:first] {
			if b != fill {
				return false
			}
		}
		return true
	}
	return zero(w[:32-t.size/8])
}

func zero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

func repeat(t *abiType, n int) []*abiType {
	out := make([]*abiType, n)
	for i := range out {
		out[i] = t
	}
	return out
}

// encode writes a call, the inverse of decode.
func (f *Function) encode(vals []value) ([]byte, error) {
	if len(vals) != len(f.Params) {
		return nil, fmt.Errorf("%s: %d arguments; want %d", f.Signature, len(vals), len(f.Params))
	}
	out := encodeSequence(vals)
	if _, err := f.decode(out); err != nil {
		return nil, fmt.Errorf("%s: %w", f.Signature, err)
	}
	return append(f.Selector[:], out...), nil
}

func encodeSequence(vals []value) []byte {
	head := 0
	for _, v := range vals {
		head += 32 * v.typ.words
	}
	var out, tails []byte
	for _, v := range vals {
		if !v.typ.dynamic {
			out = append(out, encodeBody(v)...)
			continue
		}
		out = append(out, wordOf(head+len(tails))...)
		tails = append(tails, encodeBody(v)...)
	}
	return append(out, tails...)
}

func encodeBody(v value) []byte {
	switch v.typ.kind {
	case kindTuple, kindArray:
		return encodeSequence(v.items)
	case kindList:
		return append(wordOf(len(v.items)), encodeSequence(v.items)...)
	case kindBytes, kindString:
		out := append(wordOf(len(v.raw)), v.raw...)
		return append(out, make([]byte, (32-len(v.raw)%32)%32)...)
	}
	return v.word[:]
}

func wordOf(n int) []byte {
	var h common.Hash
	binary.BigEndian.PutUint64(h[24:], uint64(n))
	return h[:]
}
