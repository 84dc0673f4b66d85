package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"joconde"
)

// A file that came while we computed is not written over either.
func TestSaveWritesOverNothing(t *testing.T) {
	to := folder{path: t.TempDir(), flag: "--keep"}
	if _, err := to.save("v.csv", []byte("first")); err != nil {
		t.Fatal(err)
	}
	_, err := to.save("v.csv", []byte("second"))
	var problem *joconde.Problem
	if !errors.As(err, &problem) || problem.Code != "JOC-R022" || problem.Exit != joconde.ExitInvalid {
		t.Fatalf("got %v", err)
	}
	if want := "choose another folder with --keep, and run it again"; problem.Do != want {
		t.Errorf("do: %s", problem.Do)
	}
	if text, err := os.ReadFile(filepath.Join(to.path, "v.csv")); err != nil || string(text) != "first" {
		t.Errorf("the file holds %q, %v", text, err)
	}
}
