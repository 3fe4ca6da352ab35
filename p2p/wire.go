package p2p

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"
)

// prefixed is the form on the wire: four bytes of length, then the bytes.
func prefixed(b []byte) []byte {
	out := make([]byte, 4+len(b))
	binary.BigEndian.PutUint32(out, uint32(len(b)))
	copy(out[4:], b)
	return out
}

// brokenRule marks what no honest node sends, apart from a connection that
// merely broke.
type brokenRule struct{ err error }

func (e *brokenRule) Error() string { return e.err.Error() }
func (e *brokenRule) Unwrap() error { return e.err }

// readPrefixed reads one length and as many bytes. The buffer grows with what
// arrives, not with what is announced. Deadline bounds the time from the first
// byte of the length to the last of the rest; it may be nil.
func readPrefixed(r io.Reader, limit int, deadline func(time.Time) error) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:1]); err != nil {
		return nil, err
	}
	if deadline != nil {
		if err := deadline(time.Now().Add(frameTimeout)); err != nil {
			return nil, err
		}
		defer deadline(time.Time{})
	}
	if _, err := io.ReadFull(r, head[1:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	switch {
	case n == 0:
		return nil, &brokenRule{errors.New("frame of length zero")}
	case uint64(n) > uint64(limit):
		return nil, &brokenRule{fmt.Errorf("%w: %d bytes announced; at most %d", ErrTooLarge, n, limit)}
	}
	var buf bytes.Buffer
	buf.Grow(int(min(n, 16<<10)))
	if _, err := io.CopyN(&buf, r, int64(n)); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return buf.Bytes(), nil
}

// greeting opens a pulse stream, in both directions.
type greeting struct {
	Instance [16]byte    // drawn when the node starts
	Roster   common.Hash // the roster in force at the node
}

func (g greeting) write(w io.Writer) error {
	b, err := rlp.EncodeToBytes(g)
	if err != nil {
		return fmt.Errorf("encode greeting: %w", err)
	}
	_, err = w.Write(prefixed(b))
	return err
}

func readGreeting(r io.Reader) (greeting, error) {
	b, err := readPrefixed(r, maxGreeting, nil)
	if err != nil {
		return greeting{}, fmt.Errorf("read greeting: %w", err)
	}
	var g greeting
	if err := rlp.DecodeBytes(b, &g); err != nil {
		return greeting{}, &brokenRule{fmt.Errorf("decode greeting: %w", err)}
	}
	return g, nil
}
