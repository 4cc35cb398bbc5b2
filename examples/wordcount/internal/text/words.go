package text

// lower has the lower-case letter for every ASCII letter, and 0 for every other byte.
var lower = func() (t [256]byte) {
	for c := byte('a'); c <= 'z'; c++ {
		t[c], t[c-'a'+'A'] = c, c
	}
	return t
}()

// IsLetter reports whether c is an ASCII letter.
func IsLetter(c byte) bool { return lower[c] != 0 }

// Words calls emit for every word of the text, in order, and returns the first
// error of emit. The text is lower-cased in place; a word is a part of it
// and only valid during the call.
func Words(text []byte, emit func(word []byte) error) error {
	for i := 0; i < len(text); {
		if lower[text[i]] == 0 {
			i++
			continue
		}
		start := i
		for i < len(text) {
			c := lower[text[i]]
			if c == 0 {
				break
			}
			text[i] = c
			i++
		}
		if err := emit(text[start:i]); err != nil {
			return err
		}
	}
	return nil
}

// LeadingLetters is the number of letters the text begins with.
func LeadingLetters(text []byte) int {
	n := 0
	for n < len(text) && IsLetter(text[n]) {
		n++
	}
	return n
}
