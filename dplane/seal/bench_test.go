package seal

import "testing"

func BenchmarkSealAndOpen(b *testing.B) {
	k := key(b)
	const total = 64 << 20
	plaintext := text(total)
	b.SetBytes(total)
	b.ReportAllocs()
	for b.Loop() {
		sealed, err := Seal(k.PublicKey(), info(), plaintext, total)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := Open(k, info(), sealed); err != nil {
			b.Fatal(err)
		}
	}
}
