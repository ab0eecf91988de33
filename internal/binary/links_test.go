// SPDX-License-Identifier: MIT OR Apache-2.0

package binary

import (
	"bytes"
	"debug/elf"
	"reflect"
	"testing"
)

// versioned is a shared object with versions: it defines V_1 and V_2 and wants W_1 (and weakly W_9) of libw.so.
func versioned(class elf.Class, order byteOrder, machine elf.Machine) *maker {
	m := newMaker(class, order, machine, elf.ET_DYN)
	tab := newNames()
	at := func(s string) uint64 { return uint64(tab.add(s)) }
	needed, run, lib, w1, w9, v1, v2 := at("libw.so"), at("$ORIGIN/../lib::/opt"), at("libw.so"), at("W_1"), at("W_9"), at("V_1"), at("V_2")
	names := m.load(".dynstr", elf.SHT_STRTAB, elf.PF_R, tab.table)
	d := writer{m.codec, nil}
	for i, name := range []uint64{v1, v2} {
		next := uint32(28)
		if i == 1 {
			next = 0
		}
		for _, v := range []uint16{1, 0, uint16(i + 1), 1} {
			d.u16(v)
		}
		for _, v := range []uint32{0, 20, next, uint32(name), 0} {
			d.u32(v)
		}
	}
	defs := m.load(".gnu.version_d", elf.SHT_GNU_VERDEF, elf.PF_R, d.b)
	n := writer{m.codec, nil}
	n.u16(1)
	n.u16(2)
	for _, v := range []uint32{uint32(lib), 16, 0} {
		n.u32(v)
	}
	for i, name := range []uint64{w1, w9} {
		n.u32(0)
		n.u16(uint16(i * weakVersion))
		n.u16(2)
		n.u32(uint32(name))
		n.u32(uint32(16 * (1 - i)))
	}
	needs := m.load(".gnu.version_r", elf.SHT_GNU_VERNEED, elf.PF_R, n.b)
	w := writer{m.codec, nil}
	for _, kv := range [][2]uint64{{uint64(elf.DT_NEEDED), needed}, {uint64(elf.DT_STRTAB), names}, {uint64(elf.DT_STRSZ), uint64(len(tab.table))},
		{uint64(elf.DT_RUNPATH), run}, {uint64(elf.DT_VERDEF), defs}, {uint64(elf.DT_VERDEFNUM), 2}, {uint64(elf.DT_VERNEED), needs}, {uint64(elf.DT_VERNEEDNUM), 1}, {0, 0}} {
		w.word(kv[0])
		w.word(kv[1])
	}
	m.load(".dynamic", elf.SHT_DYNAMIC, elf.PF_R|elf.PF_W, w.b)
	m.cover(elf.PT_DYNAMIC)
	return m
}

func TestLinks(t *testing.T) {
	for _, v := range variants {
		data := versioned(v.class, v.order, v.machine).bytes()
		got, err := ReadLinks(bytes.NewReader(data), int64(len(data)))
		want := Links{Class: v.class, Machine: v.machine, Needed: []string{"libw.so"}, RunPath: []string{"$ORIGIN/../lib", "/opt"},
			Provides: []string{"V_1", "V_2"}, Wants: map[string][]string{"libw.so": {"W_1"}}}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", v.name, got, err)
		}
	}
}

// TestLinksOfAnything changes every byte of a file in turn: there is an answer or an error, and never more.
func TestLinksOfAnything(t *testing.T) {
	v := variants[0]
	data := versioned(v.class, v.order, v.machine).bytes()
	refused := 0
	for i := range data {
		for _, x := range []byte{0xff, 0x01, 0x80} {
			bad := bytes.Clone(data)
			bad[i] ^= x
			if _, err := ReadLinks(bytes.NewReader(bad), int64(len(bad))); err != nil {
				refused++
			}
		}
	}
	if refused == 0 {
		t.Error("nothing was refused")
	}
}
