//go:build race

package session_test

// The race detector makes everything several times slower, and finds what it
// can find at any message.
const stride = 5
