package tss_test

import (
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
	"github.com/millicent-one/signer/tss"
)

// processor is the processor time that this process has used.
func processor(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkArm makes slots at four of seven, and says what one costs each of
// them: core-seconds, and KiB for as long as it waits.
func BenchmarkArm(b *testing.B) {
	shares := testcouncil.Shares(b)
	var kept []*tss.Armed
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	used := processor(b)
	for i := 0; b.Loop(); i++ {
		kept = append(kept, armed(b, shares, testcouncil.IDs()[:4], council.SessionID{40, byte(i >> 8), byte(i)})...)
	}
	b.ReportMetric((processor(b)-used).Seconds()/float64(len(kept)), "core-s/party")
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(int64(after.HeapAlloc)-int64(before.HeapAlloc))/1024/float64(len(kept)), "KiB/party")
	runtime.KeepAlive(kept)
}

// BenchmarkFire fires a slot of four of seven.
func BenchmarkFire(b *testing.B) {
	shares := testcouncil.Shares(b)
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		slots := armed(b, shares, testcouncil.IDs()[:4], council.SessionID{41, byte(i >> 8), byte(i)})
		p := permit(testcouncil.IDs()[:4], common.Hash{byte(i)})
		b.StartTimer()
		if _, err := testcouncil.Run(fireAll(b, slots, p)); err != nil {
			b.Fatal(err)
		}
	}
}
