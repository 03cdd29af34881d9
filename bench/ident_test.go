package main

import (
	"slices"
	"testing"

	"github.com/hookswitch/hookswitch/internal/hook"
)

func TestIdentReadsWhatItPut(t *testing.T) {
	for _, o := range []order{scattered, ascending} {
		for _, want := range []ident{{}, {trial: 1}, {trial: 0xffff, sequence: 0xffffffff}, {trial: 0x1234, sequence: 0x89abcdef}} {
			var text [identBytes]byte
			want.put(text[:], o)
			got, err := readIdent(text[:])
			if err != nil || got != want {
				t.Errorf("%s: put %+v as %s, read %+v, %v", o, want, text, got, err)
			}
		}
	}
}

func TestIdentIsUUID(t *testing.T) {
	for o, version := range map[order]byte{scattered: 4, ascending: 7} {
		for sequence := range uint32(1000) {
			var text [identBytes]byte
			ident{trial: 3, sequence: sequence}.put(text[:], o)
			u, err := hook.ParseUUID(string(text[:]))
			if err != nil {
				t.Fatal(err)
			}
			if u[6]>>4 != version || u[8]>>6 != 2 {
				t.Fatalf("%s: %s has version %d and variant %b, want %d and 10", o, text, u[6]>>4, u[8]>>6, version)
			}
		}
	}
}

func TestIdentOrder(t *testing.T) {
	for o, wantSorted := range map[order]bool{scattered: false, ascending: true} {
		var ids []string
		for sequence := range uint32(100) {
			var text [identBytes]byte
			ident{sequence: sequence}.put(text[:], o)
			ids = append(ids, string(text[:]))
		}
		if got := slices.IsSorted(ids); got != wantSorted {
			t.Errorf("%s: sorted = %v, want %v", o, got, wantSorted)
		}
		slices.Sort(ids)
		if n := len(slices.Compact(ids)); n != 100 {
			t.Errorf("%s: %d different ids of 100", o, n)
		}
	}
}

func TestReadIdentRefuses(t *testing.T) {
	for _, text := range []string{"", "8e09e19f-b8ba-4db0-b6e7-dfc8a777617", "8e09e19f-b8ba-4db0-b6e7-dfc8a777617g"} {
		if got, err := readIdent([]byte(text)); err == nil {
			t.Errorf("%q was read as %+v", text, got)
		}
	}
}
