package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBadCommandLines(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, []byte("text"), 0o600))
	for _, row := range []struct {
		name, says string
		args       []string
	}{
		{"unknown flag", "-nope", []string{"-nope"}},
		{"an argument", `"5" is not a flag`, []string{"5"}},
		{"query is no number", "-query five is none of all, 1 2 3", []string{"-query", "five"}},
		{"no such query", "-query 5 is none of all, 1 2 3", []string{"-query", "5"}},
		{"no events", "-events 0", []string{"-events", "0"}},
		{"too many events", "-events 1000000001", []string{"-events", "1000000001"}},
		{"no rate", "-rate 0", []string{"-rate", "0"}},
		{"no tasks", "-tasks 0", []string{"-tasks", "0"}},
		{"too many tasks", "-tasks 257", []string{"-tasks", "257"}},
		{"no time", "-every 0s", []string{"-every", "0"}},
		{"a number is no time", "-every", []string{"-every", "200"}},
		{"unknown local copy", "-local", []string{"-local", "image"}},
		{"local copy named twice", "-local", []string{"-local", "heap,heap"}},
		{"none and a local copy", "-local", []string{"-local", "none,heap"}},
		{"unknown failure", "-inject", []string{"-inject", "flood@50%"}},
		{"share out of range", "-inject", []string{"-inject", "kill@100%"}},
		{"a rescale is no failure", "-inject", []string{"-inject", "rescale@50%"}},
		{"rescale of one number", "-rescale", []string{"-rescale", "2"}},
		{"rescale of words", "-rescale", []string{"-rescale", "two:three"}},
		{"rescale to none", "-rescale", []string{"-rescale", "2:0"}},
		{"rescale to too many", "-rescale", []string{"-rescale", "2:257"}},
		{"rescale to the same", "-rescale", []string{"-rescale", "2:2"}},
		{"rescale from another number", "-tasks says 3", []string{"-tasks", "3", "-rescale", "2:4"}},
		{"dir is a file", "-dir", []string{"-dir", file}},
		{"dir below a file", "-dir", []string{"-dir", filepath.Join(file, "x")}},
		{"dir is not empty", "is not empty", []string{"-dir", dir}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			o := ended(t, "", row.args...)
			require.Equal(t, 2, o.code, "%s%s", o.stdout, o.stderr)
			require.Empty(t, o.stdout)
			require.Equal(t, 1, strings.Count(o.stderr, "\n"), o.stderr)
			require.Contains(t, o.stderr, row.says)
		})
	}
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 1)
}

func TestHelpIsNoFailure(t *testing.T) {
	t.Parallel()
	o := ended(t, "", "-h")
	require.Zero(t, o.code)
	for _, flag := range []string{"-query", "-events", "-seed", "-rate", "-tasks", "-rescale", "-every", "-local", "-inject", "-dir", "-quiet"} {
		require.Contains(t, o.stdout, "\n  "+flag)
	}
	require.Contains(t, o.stdout, "visits by when they arrived", "the queries are listed")
}

func TestADirectoryThatWasNamedIsKept(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "made", "state")
	verified(t, "-dir", dir, "-query", "3", "-events", "2000", "-every", "2ms")
	require.DirExists(t, filepath.Join(dir, "query3", "primary"))
	require.Equal(t, 2, ended(t, "", "-dir", dir, "-query", "3").code, "once")
}
