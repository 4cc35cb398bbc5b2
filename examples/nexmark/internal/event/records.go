package event

import "strings"

// firstID is the ID of the first person and of the first auction; firstCategory that of the first category.
const (
	firstID       = 1000
	firstCategory = 10
	categories    = 5
)

const (
	idLead   = 10  // how many people and auctions that are not there yet can be named already
	hotBatch = 100 // the first of so many auctions is hot until the next batch begins; likewise people
)

// Average sizes in bytes of a person, an auction and a bid with their padding.
const (
	personBytes  = 200
	auctionBytes = 500
	bidBytes     = 100
)

// newestPerson is the number, from 0, of the newest person at event index; of the person itself if the event is one.
func newestPerson(index int64) int64 {
	return index/perEpoch*personsPerEpoch + min(index%perEpoch, personsPerEpoch-1)
}

// newestAuction is the number, from 0, of the newest auction at event index, which is not a person; of the auction itself
// if the event is one.
func newestAuction(index int64) int64 {
	return index/perEpoch*auctionsPerEpoch + min(index%perEpoch-personsPerEpoch, auctionsPerEpoch-1)
}

// hotPerson is the number of a hot person at event index: the nth of the batch.
// Bidders and sellers have different n, so that nobody is both.
func hotPerson(index, n int64) int64 { return newestPerson(index)/hotBatch*hotBatch + n }

// anyPerson draws the number of an active person at event index, or of one of those who register next.
func (g *Generator) anyPerson(d *dice, index int64) int64 {
	people := newestPerson(index) + 1
	active := min(people, int64(g.config.ActivePeople))
	return people - active + d.below(active+idLead)
}

// anyAuction draws the number of an auction that is probably open at event index, or of one of those that open next.
func (g *Generator) anyAuction(d *dice, index int64) int64 {
	newest := newestAuction(index)
	oldest := max(newest-int64(g.config.InFlightAuctions), 0)
	return oldest + d.below(newest-oldest+1+idLead)
}

func (g *Generator) person(d *dice, index int64, at Millis) *Person {
	p := &Person{
		ID:         firstID + newestPerson(index),
		Name:       pick(d, names),
		Email:      randomEmail(d),
		CreditCard: randomCard(d),
		City:       pick(d, cities),
		State:      pick(d, states),
		At:         at,
	}
	p.Extra = g.extra(d, 8+len(p.Name)+len(p.Email)+len(p.CreditCard)+len(p.City)+len(p.State), personBytes)
	return p
}

func (g *Generator) auction(d *dice, index int64, at Millis) *Auction {
	a := &Auction{
		ID:          firstID + newestAuction(index),
		ItemName:    g.phrase(d, 20),
		Description: g.phrase(d, 100),
		InitialBid:  g.price(d),
		At:          at,
		Expires:     at + 1 + d.below(g.lifetime),
		Category:    firstCategory + d.below(categories),
	}
	a.Reserve = a.InitialBid + g.price(d)
	if d.below(int64(g.config.HotSellerRatio)) > 0 {
		a.Seller = firstID + hotPerson(index, 0)
	} else {
		a.Seller = firstID + g.anyPerson(d, index)
	}
	a.Extra = g.extra(d, 6*8+len(a.ItemName)+len(a.Description), auctionBytes)
	return a
}

func (g *Generator) bid(d *dice, index int64, at Millis, b *Bid) {
	if d.below(int64(g.config.HotAuctionRatio)) > 0 {
		b.Auction = firstID + newestAuction(index)/hotBatch*hotBatch
	} else {
		b.Auction = firstID + g.anyAuction(d, index)
	}
	if d.below(int64(g.config.HotBidderRatio)) > 0 {
		b.Bidder = firstID + hotPerson(index, 1)
	} else {
		b.Bidder = firstID + g.anyPerson(d, index)
	}
	b.Price = g.price(d)
	from := g.channels
	if d.below(2) > 0 {
		from = g.hot
	}
	c := &from[d.below(int64(len(from)))]
	b.Channel, b.URL = c.name, c.url
	b.At = at
	b.Extra = g.extra(d, 4*8, bidBytes)
}

// phrase cuts out 3 to most-1 letters and spaces, without spaces at the ends.
func (g *Generator) phrase(d *dice, most int64) string {
	return strings.Trim(cut(d, g.words, 3+d.below(most-3)), " ")
}

// extra cuts out the padding of a record that has so many bytes without it: what is missing to average, more or less a fifth of that.
func (g *Generator) extra(d *dice, bytes, average int) string {
	missing := int64(average - bytes)
	if missing <= 0 {
		return ""
	}
	fifth := missing / 5
	return cut(d, g.padding, missing-fifth+d.below(2*fifth+1))
}
