//go:build !race

package session_test

// stride: every message is tried.
const stride = 1
