package event

import (
	"math/bits"
	"strconv"
	"strings"
)

// textBytes is the length of the texts that strings are cut from.
const textBytes = 1 << 18

// channelCount is how many channels there are that are not hot.
const channelCount = 10_000

// Few states, so that queries find something in few events.
var (
	states = []string{"AZ", "CA", "ID", "OR", "WA", "WY"}
	cities = []string{
		"Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland", "Bend", "Redmond", "Seattle", "Kent", "Cheyenne",
	}
	firstNames = []string{"Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter"}
	lastNames  = []string{"Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris"}
	hotNames   = []string{"Google", "Facebook", "Baidu", "Apple"}
)

// names are all first names with all last names.
var names = func() []string {
	var all []string
	for _, first := range firstNames {
		for _, last := range lastNames {
			all = append(all, first+" "+last)
		}
	}
	return all
}()

// A channel is where bids come from, and the address they come with.
type channel struct{ name, url string }

// newChannels returns the hot channels and all others.
func newChannels(d *dice) (hot, others []channel) {
	for _, name := range hotNames {
		hot = append(hot, channel{name, randomURL(d)})
	}
	others = make([]channel, channelCount)
	for i := range others {
		c := channel{"channel-" + strconv.Itoa(i), randomURL(d)}
		if d.below(10) > 0 {
			c.url += "&channel_id=" + strconv.Itoa(int(bits.Reverse32(uint32(i))>>1))
		}
		others[i] = c
	}
	return hot, others
}

func randomURL(d *dice) string {
	part := func() string { return randomLetters(d, 3+d.below(2)) + "/" }
	return "https://www.nexmark.com/" + part() + part() + part() + "item.htm?query=1"
}

func randomEmail(d *dice) string {
	return randomLetters(d, 3+d.below(4)) + "@" + randomLetters(d, 3+d.below(2)) + ".com"
}

// randomCard returns a card number: four groups of four digits.
func randomCard(d *dice) string {
	const digits = "0000 0000 0000 0000"
	card := []byte(digits)
	for i := range card {
		if card[i] != ' ' {
			card[i] += byte(d.below(10))
		}
	}
	return string(card)
}

// randomLetters returns n small letters.
func randomLetters(d *dice, n int64) string {
	var b strings.Builder
	b.Grow(int(n))
	for range n {
		b.WriteByte(letter(d))
	}
	return b.String()
}

// randomWords returns textBytes small letters and spaces. No two spaces are neighbours: whatever is cut out has a letter.
func randomWords(d *dice) string {
	text := make([]byte, textBytes)
	for i := range text {
		text[i] = letter(d)
		if i > 0 && text[i-1] != ' ' && d.below(13) == 0 {
			text[i] = ' '
		}
	}
	return string(text)
}

func letter(d *dice) byte { return 'a' + byte(d.below(26)) }
