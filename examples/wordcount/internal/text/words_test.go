package text

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func words(t require.TestingT, s string) []string {
	var got []string
	require.NoError(t, Words([]byte(s), func(w []byte) error {
		got = append(got, string(w))
		return nil
	}))
	return got
}

func TestWords(t *testing.T) {
	for _, row := range []struct {
		name, text string
		want       []string
	}{
		{"empty", "", nil},
		{"no letters", " \t\n0123_-\x00\xff", nil},
		{"one word", "word", []string{"word"}},
		{"upper case is lowered", "GoLang Z", []string{"golang", "z"}},
		{"digits and underscores separate", "utf8_rune x86asm", []string{"utf", "rune", "x", "asm"}},
		{"an apostrophe separates", "don't", []string{"don", "t"}},
		{"bytes beyond ASCII separate", "naïve straße", []string{"na", "ve", "stra", "e"}},
		{"the neighbours of the letters", "@A[`a{", []string{"a", "a"}},
		{"invalid UTF-8", "\xffab\xc3\x28c", []string{"ab", "c"}},
		{"first and last byte", "a b", []string{"a", "b"}},
	} {
		t.Run(row.name, func(t *testing.T) { require.Equal(t, row.want, words(t, row.text)) })
	}
}

func TestWordsStopsAtAnError(t *testing.T) {
	full := errors.New("full")
	calls := 0
	err := Words([]byte("a b c"), func([]byte) error { calls++; return full })
	require.ErrorIs(t, err, full)
	require.Equal(t, 1, calls)
}

func TestLeadingLetters(t *testing.T) {
	for text, want := range map[string]int{"": 0, " a": 0, "ab c": 2, "Z9": 1, "all": 3} {
		require.Equal(t, want, LeadingLetters([]byte(text)), text)
	}
}

func FuzzWords(f *testing.F) {
	for _, s := range []string{"", "Hello, World", "a1b2", "\x00\xffé", strings.Repeat("x", 5000)} {
		f.Add(s)
	}
	run := regexp.MustCompile(`[a-zA-Z]+`)
	f.Fuzz(func(t *testing.T, s string) {
		var want []string
		for _, w := range run.FindAllString(strings.ToValidUTF8(s, "\x00"), -1) {
			want = append(want, strings.ToLower(w))
		}
		require.Equal(t, want, words(t, s))
	})
}
