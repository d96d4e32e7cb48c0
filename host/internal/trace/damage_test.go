package trace

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"reflect"
	"slices"
	"testing"
	"testing/iotest"
)

// lives is a file of frames of three records each, and where each begins; the
// last offset is the file's length.
func lives(t testing.TB, frames int) (all []Record, file []byte, at []int) {
	t.Helper()
	all = busy(3*frames-2, 2)[:3*frames]
	var b bytes.Buffer
	w, err := NewWriter(&b, header, Config{})
	check(t, err)
	for i := range all {
		if i%3 == 0 {
			check(t, w.Flush())
			at = append(at, b.Len())
		}
		check(t, w.Write(&all[i]))
	}
	check(t, w.Flush())
	return all, b.Bytes(), append(at, b.Len())
}

func TestFileCutAtEveryByte(t *testing.T) {
	all, file, at := lives(t, 4)
	for n := range file {
		r, err := NewReader(bytes.NewReader(file[:n]))
		if n < at[0] {
			want := io.ErrUnexpectedEOF
			if n == 0 {
				want = ErrFormat
			}
			if !errors.Is(err, want) {
				t.Errorf("cut at %d: %v, want %v", n, err, want)
			}
			continue
		}
		check(t, err)
		whole, exact := slices.BinarySearch(at, n)
		if !exact {
			whole--
		}
		if got := rest(t, r); !reflect.DeepEqual(got, slices.Clone(all[:3*whole])) && len(got)+whole > 0 {
			t.Errorf("cut at %d: %d records, want %d", n, len(got), 3*whole)
		}
		torn, why := r.Torn()
		if exact != (why == nil) || why != nil && torn != int64(at[whole]) {
			t.Errorf("cut at %d: torn at %d: %v", n, torn, why)
		}
		if places, lost := r.Skipped(); places != 0 || lost != 0 {
			t.Errorf("cut at %d: skipped %d, %d bytes", n, places, lost)
		}
	}
}

// TestEveryFlippedBitCostsItsFrameOnly, and the records missing are counted.
func TestEveryFlippedBitCostsItsFrameOnly(t *testing.T) {
	const frames = 5
	all, file, at := lives(t, frames)
	for n := at[0]; n < len(file); n++ {
		for bit := range 8 {
			bad := bytes.Clone(file)
			bad[n] ^= 1 << bit
			hit, exact := slices.BinarySearch(at, n)
			if !exact {
				hit--
			}
			want := slices.Clone(all[:3*hit])
			if hit < frames-1 {
				lost := Record{Kind: KindLost, Count: 3}
				if hit > 0 {
					lost.Time = all[3*hit-1].Time
				}
				want = append(append(want, lost), all[3*hit+3:]...)
			}
			r, got := read(t, bad)
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("bit %d of byte %d in frame %d: got\n%v, want\n%v", bit, n, hit, got, want)
			}
			places, lost := r.Skipped()
			torn, why := r.Torn()
			if hit < frames-1 && (places != 1 || lost != int64(at[hit+1]-at[hit]) || why != nil) ||
				hit == frames-1 && (places != 0 || why == nil || torn != int64(at[hit])) {
				t.Fatalf("bit %d of byte %d in frame %d: skipped %d, %d bytes, torn at %d: %v", bit, n, hit, places, lost, torn, why)
			}
		}
	}
}

func TestEveryFlippedBitOfTheHeaderIsNoticed(t *testing.T) {
	_, file, at := lives(t, 1)
	for n := range at[0] {
		for bit := range 8 {
			bad := bytes.Clone(file)
			bad[n] ^= 1 << bit
			if _, err := NewReader(bytes.NewReader(bad)); err == nil {
				t.Errorf("bit %d of byte %d is not noticed", bit, n)
			}
		}
	}
}

func TestDamage(t *testing.T) {
	_, file, at := lives(t, 4)
	frame := func(i int) []byte { return file[at[i]:at[i+1]] }
	head := file[:at[0]]
	other := header
	other.Start++
	foreign := written(t, other, busy(4, 2))
	for _, c := range []struct {
		name          string
		file          [][]byte
		records, lost int
		places        int
		torn          bool
	}{
		{"nothing", [][]byte{head}, 0, 0, 0, false},
		{"a frame is missing", [][]byte{head, frame(0), frame(2), frame(3)}, 9, 3, 0, false},
		{"the first is missing", [][]byte{head, frame(1)}, 3, 3, 0, false},
		{"one is there twice", [][]byte{head, frame(0), frame(0), frame(1)}, 6, 0, 1, false},
		{"in another order", [][]byte{head, frame(0), frame(2), frame(1), frame(3)}, 9, 3, 1, false},
		{"a line of text in between", [][]byte{head, frame(0), []byte("hello\n"), frame(1)}, 6, 0, 1, false},
		{"half a frame in between", [][]byte{head, frame(0), frame(1)[:30], frame(2)}, 6, 3, 1, false},
		{"zeros at the end", [][]byte{head, frame(0), make([]byte, 1<<20)}, 3, 0, 0, true},
		{"zeros in between", [][]byte{head, frame(0), make([]byte, 1<<20), frame(1)}, 6, 0, 1, false},
		{"another file behind it", [][]byte{file, foreign}, 12, 0, 0, true},
		{"itself behind it", [][]byte{file, file}, 12, 0, 0, true},
		{"a sync at the very end", [][]byte{file, []byte(mark)}, 12, 0, 0, true},
		{"a false sync before a true one", [][]byte{head, []byte(mark), frame(0)}, 3, 0, 1, false},
	} {
		r, got := read(t, bytes.Join(c.file, nil))
		var records, lost int
		for _, x := range got {
			if x.Kind == KindLost {
				lost += int(x.Count)
			} else {
				records++
			}
		}
		places, _ := r.Skipped()
		_, why := r.Torn()
		if records != c.records || lost != c.lost || places != c.places || c.torn != (why != nil) {
			t.Errorf("%s: %d records, %d lost, %d places, torn: %v", c.name, records, lost, places, why)
		}
	}
}

// framed makes a file of records that somebody else has encoded.
func framed(frames ...[]byte) []byte { return framedAs(Version, frames...) }

// framedAs makes one of a version.
func framedAs(version uint16, frames ...[]byte) []byte {
	file := header.append(nil)
	binary.LittleEndian.PutUint16(file[len(magic):], version)
	end := len(file) - 4
	binary.LittleEndian.PutUint32(file[end:], crc32.Checksum(file[:end], castagnoli))
	seed := sum(0, file, nil)
	for i, records := range frames {
		head := binary.LittleEndian.AppendUint32([]byte(mark), uint32(len(records)))
		head = binary.LittleEndian.AppendUint64(head, uint64(100*i))
		head = binary.LittleEndian.AppendUint32(head, sum(seed, head[4:], records))
		file = append(append(file, head...), records...)
	}
	return file
}

// TestMalformedRecords: a frame that is whole, and makes no sense from some
// record on, ends there; what is before it and after it counts.
func TestMalformedRecords(t *testing.T) {
	good := []byte{byte(KindHint) | tagConn, 2, 2} // connection 1, one step
	long := bytes.Repeat([]byte{0xff}, 9)
	for _, bad := range [][]byte{
		{0}, {14}, {0xff, 0xff},
		{byte(KindHint) | tagSteps | tagNanos, 0, 0},
		{byte(KindHint) | tagConn, 1, 2},                                     // connection 0
		{byte(KindHint)},                                                     // cut off
		append([]byte{byte(KindHint)}, append(long, 2)...),                   // more than 64 bits
		append([]byte{byte(KindHint)}, append(long, 1)...),                   // a span out of range
		append([]byte{byte(KindHint) | tagSteps}, append(long, 1, 0)...),     // a time out of range
		append([]byte{byte(KindHint) | tagNanos}, append(long, 1, 0)...),     //
		{byte(KindBegin), 0x80, 0x80, 4, 0},                                  // route 65536
		{byte(KindOpen), 0, 16, 0, 0},                                        // phase 16
		{byte(KindOpen), openClient, 0, 0, 0, 1, 2, 3},                       // half a client
		{byte(KindOpen), 0, 0, 0x80, 0x80, 0x80, 0x80, 16, 0},                // tenant 1<<32
		{byte(KindPhase) | tagFlag, 0, 0x80, 0x80, 4},                        // handshake 65536
		{byte(KindClose), 9 << 4, 0, 0, 0},                                   // reason 9
		{byte(KindTenant), 1, 0xff, 0xff, 0xff, 0xff, 15},                    // a name of 4 GB
		{byte(KindTenant), 1, 5, 'a'},                                        // a name past the end
		{byte(KindPolicy), 1, 3, 0, 0},                                       // role 3
		{byte(KindPolicy), 1, 0, 0, 0xff, 0xff, 0xff, 0xff, 15},              // params of 4 GB
		{byte(KindRules), 1, 5, 17, 0, 0, 0, 0},                              // 17 phases
		{byte(KindRules), 1, 0x80},                                           // cut off
		{byte(KindRules), 1, 6, 0, 1, 0, 0, 0, 0},                            // a floor of -1 ns
		{byte(KindRules), 1, 10, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0},               // a minimum rate of -1
		{byte(KindRules), 1, 1, 16},                                          // shorter than it says
		{byte(KindAsk), 0x81, 1},                                             // 129 words
		{byte(KindAsk), 8, 1, 0xff, 0xff, 0xff, 0xff, 16},                    // a word of 36 bits
		{byte(KindAnswer), 3 << 6, 0, 0, 0, 0},                               // role 3
		{byte(KindAnswer), 0, 3, 0, 0, 0},                                    // source 3
		{byte(KindAnswer), 0, 15 << 4, 0, 0, 0},                              // fault 15
		{byte(KindAnswer), 0, 0, 0x80, 0x80, 4, 0, 0},                        // reason 65536
		{byte(KindAnswer), 0, 0, 0, 0, 0x80, 0x80, 0x80, 8},                  // 25 bits of what was changed
		{byte(KindAnswer), 0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 16},        // a word of 36 bits
		{byte(KindAnswer), 0, 0, 0, 0, 0x80, 2, 0xff, 0xff, 0xff, 0xff, 16},  // a lease of 36 bits
		{byte(KindAnswer), 0, 0, 0, 0, 3, 1},                                 // cut off
		append([]byte{byte(KindLost)}, append(long, 1)...),                   // too many
		append([]byte{kindExtend, 77}, append(bytes.Clone(long[:3]), 15)...), // 30 MB of something
		{kindExtend, 77, 2, 0},
	} {
		r, got := read(t, framed(append(bytes.Clone(good), bad...), good))
		if len(got) != 3 || got[0].Kind != KindHint || got[1].Kind != KindLost || got[1].Count != 99 || got[2].Kind != KindHint {
			t.Errorf("% x: %v", bad, got)
		}
		if places, _ := r.Skipped(); places != 1 {
			t.Errorf("% x: skipped %d", bad, places)
		}
		r, got = read(t, framed(append(bytes.Clone(good), bad...)))
		if _, why := r.Torn(); why == nil || len(got) != 1 {
			t.Errorf("% x: %v, torn: %v", bad, got, why)
		}
	}
}

// TestLaterWritersAreRead: what FORMAT.md lets a later revision add.
func TestLaterWritersAreRead(t *testing.T) {
	words := append([]byte{byte(KindAsk) | tagConn, 2, 0x80, 1}, bytes.Repeat([]byte{0xff}, 16)...)
	for i := range 128 {
		words = append(words, byte(i%100))
	}
	same := append([]byte{byte(KindAsk), 0x80, 1}, make([]byte, 16)...)
	rules := append([]byte{byte(KindRules), 1, 9, 0, 2, 2, 2, 2, 2}, 7, 7, 7)
	extension := []byte{kindExtend, 77, 3, 1, 2, 3}
	r, got := read(t, framed(slices.Concat(words, extension, same, rules), []byte{byte(KindHint) | tagConn, 2, 2}))
	if _, why := r.Torn(); why != nil || len(got) != 5 {
		t.Fatalf("%d records, torn: %v", len(got), why)
	}
	a, b := got[0].Ask, got[1].Ask
	if a.ClientGaps[31] != 109%100 || b.ClientGaps != a.ClientGaps || b.Random != a.Random {
		t.Errorf("an event of 128 words: %+v, then %+v", a, b)
	}
	if l := got[2].Rules.Limits; l.Floor != 1 || l.Worth != 1 {
		t.Errorf("rules %+v", l)
	}
	if got[3].Kind != KindLost || got[3].Count != 96 {
		t.Errorf("an extension is no record: %+v", got[3])
	}
}

// TestEarlierEventsAreShorter: what they do not have is zero.
func TestEarlierEventsAreShorter(t *testing.T) {
	record := []byte{byte(KindAsk) | tagConn, 2, 5, 0b10001, 9, 8}
	_, got := read(t, framed(record))
	e := got[0].Ask
	if e.Size != 9 || e.Conn != 8 || e.Client != 0 || e.Leases[0] != 0 {
		t.Errorf("a short event is read as %+v, want size 9, connection 8 and zeros", e)
	}
}

func TestSourceThatCannotBeRead(t *testing.T) {
	_, file, at := lives(t, 3)
	broken := errors.New("the disk is on fire")
	for n := range len(file) + 1 {
		r, err := NewReader(io.MultiReader(bytes.NewReader(file[:n]), iotest.ErrReader(broken)))
		if n < at[0] {
			if !errors.Is(err, broken) {
				t.Errorf("after %d bytes: %v", n, err)
			}
			continue
		}
		check(t, err)
		var x Record
		for err == nil {
			err = r.Next(&x)
		}
		if again := r.Next(&x); !errors.Is(err, broken) || again != err {
			t.Errorf("after %d bytes: %v, then %v", n, err, again)
		}
	}
	_, want := read(t, file)
	for _, slow := range []io.Reader{iotest.OneByteReader(bytes.NewReader(file)), iotest.DataErrReader(bytes.NewReader(file))} {
		r, err := NewReader(slow)
		check(t, err)
		if got := rest(t, r); !reflect.DeepEqual(got, want) {
			t.Errorf("%d records, want %d", len(got), len(want))
		}
	}
}

// TestFalseFramesAreGivenUp: a file full of syncs, each of which claims a
// frame of the greatest length.
func TestFalseFramesAreGivenUp(t *testing.T) {
	_, file, at := lives(t, 2)
	claim := binary.LittleEndian.AppendUint32([]byte(mark), MaxFrame)
	bad := slices.Concat(file[:at[1]], bytes.Repeat(claim, 4<<20/len(claim)), file[at[1]:])
	r, got := read(t, bad)
	if _, why := r.Torn(); why == nil || len(got) != 3 {
		t.Errorf("%d records, torn: %v", len(got), why)
	}
	if limit := int64(16<<20 + 4*len(bad) + MaxFrame); r.frames.vain > limit {
		t.Errorf("checked %d bytes in vain, limit %d", r.frames.vain, limit)
	}
}

func TestFormatErrors(t *testing.T) {
	_, file, _ := lives(t, 1)
	newer := bytes.Clone(file)
	newer[8] = 3
	huge := bytes.Clone(file)
	binary.LittleEndian.PutUint16(huge[10:], 65535)
	for _, c := range []struct {
		file []byte
		want string
	}{
		{nil, "not a trace: empty"},
		{[]byte("127.0.0.1 - -"), `not a trace: begins with "127.0.0."`},
		{[]byte{0x1f, 0x8b, 1}, "trace: header: gzip: unexpected EOF"},
		{newer, "trace: header: format version 3; this program reads versions 1 to 2"},
		{huge, "trace: header: 65535 bytes, at most 4096"},
		{file[:20], "trace: header: cut off after 20 bytes: unexpected EOF"},
	} {
		if _, err := NewReader(bytes.NewReader(c.file)); fmt.Sprint(err) != c.want {
			t.Errorf("%q: %v, want %s", c.file[:min(len(c.file), 20)], err, c.want)
		}
	}
}
