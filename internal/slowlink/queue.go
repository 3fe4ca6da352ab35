package slowlink

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// parcel is something that is under way.
type parcel struct {
	bytes []byte
	due   time.Time
	end   bool // of the stream; no bytes
	seq   uint64
}

// queue holds what is under way in one direction, and gives it out when it is
// due. It has one taker.
type queue struct {
	mu    sync.Mutex
	heap  parcels
	held  int // bytes
	seq   uint64
	came  chan struct{}
	taken chan struct{}
}

func newQueue() *queue {
	return &queue{came: make(chan struct{}, 1), taken: make(chan struct{}, 1)}
}

// offer takes p if there is room. An empty queue has room for anything.
func (q *queue) offer(p parcel) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	cost := len(p.bytes) + parcelCost
	if q.held > 0 && q.held+cost > queueBytes {
		return false
	}
	q.seq++
	p.seq = q.seq
	heap.Push(&q.heap, p)
	q.held += cost
	ring(q.came)
	return true
}

// put waits until there is room; false when ctx ends before.
func (q *queue) put(ctx context.Context, p parcel) bool {
	for !q.offer(p) {
		select {
		case <-q.taken:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// take waits for what is due first; false when ctx ends before.
func (q *queue) take(ctx context.Context) (parcel, bool) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		q.mu.Lock()
		wait := time.Hour
		if len(q.heap) > 0 {
			wait = time.Until(q.heap[0].due)
		}
		if wait <= 0 {
			p := heap.Pop(&q.heap).(parcel)
			q.held -= len(p.bytes) + parcelCost
			q.mu.Unlock()
			ring(q.taken)
			return p, true
		}
		q.mu.Unlock()
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-q.came: // it may be due before the others
		case <-ctx.Done():
			return parcel{}, false
		}
	}
}

func ring(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// parcels are a heap: the first is due first, and of those due together the one
// that was sent first.
type parcels []parcel

func (p parcels) Len() int { return len(p) }
func (p parcels) Less(i, j int) bool {
	return p[i].due.Before(p[j].due) || p[i].due.Equal(p[j].due) && p[i].seq < p[j].seq
}
func (p parcels) Swap(i, j int) { p[i], p[j] = p[j], p[i] }
func (p *parcels) Push(x any)   { *p = append(*p, x.(parcel)) }
func (p *parcels) Pop() any {
	old := *p
	x := old[len(old)-1]
	old[len(old)-1] = parcel{}
	*p = old[:len(old)-1]
	return x
}
