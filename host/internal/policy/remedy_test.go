package policy

import "testing"

func TestNamesAreParsedBack(t *testing.T) {
	for _, name := range FaultNames() {
		if f, ok := ParseFault(name); !ok || f.String() != name {
			t.Errorf("%q: %v, %v", name, f, ok)
		}
	}
	for _, name := range RemedyNames() {
		if r, ok := ParseRemedy(name); !ok || r.String() != name {
			t.Errorf("%q: %v, %v", name, r, ok)
		}
	}
	if _, ok := ParseFault("none"); ok {
		t.Error("no fault is no cause")
	}
	if _, ok := ParseRemedy("close"); ok {
		t.Error("an unknown remedy is accepted")
	}
	if names := FaultNames(); len(names) != Faults-1 || names[FaultTime-1] != "out_of_time" {
		t.Errorf("the names of faults are %q", names)
	}
}
