package p2p

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
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
	buf.Grow(int(min(n, 64<<10)))
	if _, err := io.CopyN(&buf, r, int64(n)); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return buf.Bytes(), nil
}
