package session

import "net"

// MemoryConns connects n parties: entry [i][j] is the end of i that leads to j.
func MemoryConns(n int) [][]net.Conn {
	conns := make([][]net.Conn, n)
	for i := range conns {
		conns[i] = make([]net.Conn, n)
	}
	for i := range n {
		for j := range i {
			conns[i][j], conns[j][i] = memoryPair()
		}
	}
	return conns
}
