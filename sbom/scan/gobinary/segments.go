package gobinary

import (
	"bytes"
	"debug/elf"
	"debug/macho"
	"encoding/binary"
)

const fatMachO = 0xcafebabe // shared with Java classes, which have a larger number behind it

// executable reports whether a file that begins like this is a program.
func executable(b []byte) bool {
	if len(b) < 4 {
		return false
	}
	switch binary.LittleEndian.Uint32(b) {
	case macho.Magic32, macho.Magic64:
		return true
	}
	switch binary.BigEndian.Uint32(b) {
	case macho.Magic32, macho.Magic64:
		return true
	case fatMachO:
		return len(b) >= 8 && binary.BigEndian.Uint32(b[4:]) < 32
	}
	return bytes.HasPrefix(b, []byte(elf.ELFMAG)) || bytes.HasPrefix(b, []byte("MZ"))
}

// segments returns the parts of the file in which the build information of the
// program stands: writable segments, or the section made for it. The result is
// empty where the head of the file does not tell.
func segments(head []byte) []span {
	le, be := binary.LittleEndian, binary.BigEndian
	switch {
	case bytes.HasPrefix(head, []byte(elf.ELFMAG)):
		return elfSegments(head)
	case bytes.HasPrefix(head, []byte("MZ")):
		return peSections(head)
	case le.Uint32(head) == macho.Magic32 || le.Uint32(head) == macho.Magic64:
		return machoSegments(head, le)
	case be.Uint32(head) == macho.Magic32 || be.Uint32(head) == macho.Magic64:
		return machoSegments(head, be)
	}
	return nil
}

// a table reads numbers at offsets that may be anything.
type table struct {
	b     []byte
	order binary.ByteOrder
}

func (t table) u16(at uint64) uint64 {
	if at > uint64(len(t.b)) || uint64(len(t.b))-at < 2 {
		return 0
	}
	return uint64(t.order.Uint16(t.b[at:]))
}

func (t table) u32(at uint64) uint64 {
	if at > uint64(len(t.b)) || uint64(len(t.b))-at < 4 {
		return 0
	}
	return uint64(t.order.Uint32(t.b[at:]))
}

func (t table) u64(at uint64) uint64 {
	if at > uint64(len(t.b)) || uint64(len(t.b))-at < 8 {
		return 0
	}
	return t.order.Uint64(t.b[at:])
}

// add appends the part unless it is empty or beyond any file.
func add(list []span, from, size uint64) []span {
	const most = 1 << 62
	if size == 0 || from > most || size > most {
		return list
	}
	return append(list, span{int64(from), int64(from) + int64(size)})
}

// elfSegments returns the writable segments that are not executable (System V
// ABI, program header).
func elfSegments(b []byte) []span {
	if len(b) < 64 {
		return nil
	}
	t := table{b, binary.LittleEndian}
	if b[elf.EI_DATA] == byte(elf.ELFDATA2MSB) {
		t.order = binary.BigEndian
	}
	var list []span
	wide := b[elf.EI_CLASS] == byte(elf.ELFCLASS64)
	at, step, count := t.u32(28), t.u16(42), t.u16(44)
	if wide {
		at, step, count = t.u64(32), t.u16(54), t.u16(56)
	}
	for i := range count {
		p := at + i*step
		flags, from, size := t.u32(p+24), t.u32(p+4), t.u32(p+16)
		if wide {
			flags, from, size = t.u32(p+4), t.u64(p+8), t.u64(p+32)
		}
		if t.u32(p) == uint64(elf.PT_LOAD) && elf.ProgFlag(flags)&(elf.PF_X|elf.PF_W) == elf.PF_W {
			list = add(list, from, size)
		}
	}
	return list
}

// peSections returns the writable sections (PE format, section table).
func peSections(b []byte) []span {
	const writable = 0x80000000
	t := table{b, binary.LittleEndian}
	header := t.u32(0x3c)
	if header+24 > uint64(len(b)) || !bytes.HasPrefix(b[header:], []byte("PE\x00\x00")) {
		return nil
	}
	var list []span
	first := header + 24 + t.u16(header+20)
	for i := range t.u16(header + 6) {
		s := first + 40*i
		if t.u32(s+36)&writable != 0 {
			list = add(list, t.u32(s+20), t.u32(s+16))
		}
	}
	return list
}

// machoSegments returns the writable segments (Mach-O load commands).
func machoSegments(b []byte, order binary.ByteOrder) []span {
	t := table{b, order}
	wide := t.u32(0) == uint64(macho.Magic64)
	at, count := uint64(28), t.u32(16)
	if wide {
		at = 32
	}
	var list []span
	for range min(count, headSize/8) {
		command, size := macho.LoadCmd(t.u32(at)), t.u32(at+4)
		const write = 2
		switch {
		case command == macho.LoadCmdSegment64 && t.u32(at+60)&write != 0:
			list = add(list, t.u64(at+40), t.u64(at+48))
		case command == macho.LoadCmdSegment && t.u32(at+44)&write != 0:
			list = add(list, t.u32(at+32), t.u32(at+36))
		}
		if size < 8 {
			break
		}
		at += size
	}
	return list
}
