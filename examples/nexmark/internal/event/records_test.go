package event

import (
	"math"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestHalfTheBidsAreOnTheHotAuctionAndThreeQuartersOfAHotBidder(t *testing.T) {
	t.Parallel()
	var bids, hotAuctions, hotBidders, hotChannels float64
	for e := range newGenerator(t, Config{Seed: 1, Events: 100_000}).All() {
		if e.Kind != KindBid {
			continue
		}
		bids++
		hotAuctions += one((e.Bid.Auction-firstID)%100 == 0)
		hotBidders += one((e.Bid.Bidder-firstID)%100 == 1)
		hotChannels += one(e.Bid.Channel == "Google" || e.Bid.Channel == "Facebook" || e.Bid.Channel == "Baidu" || e.Bid.Channel == "Apple")
	}
	require.InDelta(t, 0.5, hotAuctions/bids, 0.02) // one in a hundred of the others is a hot one by chance
	require.InDelta(t, 0.75, hotBidders/bids, 0.02)
	require.InDelta(t, 0.5, hotChannels/bids, 0.01)
}

func TestThreeQuartersOfTheAuctionsAreOfAHotSeller(t *testing.T) {
	t.Parallel()
	var auctions, hot float64
	categories := map[int64]float64{}
	for e := range newGenerator(t, Config{Seed: 1, Events: 200_000}).All() {
		if e.Kind == KindAuction {
			auctions++
			hot += one((e.Auction.Seller-firstID)%100 == 0)
			categories[e.Auction.Category]++
		}
	}
	require.InDelta(t, 0.75, hot/auctions, 0.02)
	require.Len(t, categories, 5)
	for category := int64(10); category < 15; category++ {
		require.InDelta(t, 0.2, categories[category]/auctions, 0.02)
	}
}

func TestARatioOfOneMeansNobodyIsHot(t *testing.T) {
	t.Parallel()
	c := Config{Seed: 1, Events: 100_000, HotAuctionRatio: 1, HotBidderRatio: 1, HotSellerRatio: 1}
	bids := map[int64]int{}
	for e := range newGenerator(t, c).All() {
		if e.Kind == KindBid {
			bids[e.Bid.Auction]++
		}
	}
	for auction, n := range bids {
		require.Less(t, n, 100, "auction %d", auction)
	}
}

func TestOnlyActivePeopleAndRecentAuctionsAreNamed(t *testing.T) {
	t.Parallel()
	ahead := 0
	c := Config{Seed: 9, Events: 25_000, ActivePeople: 150, InFlightAuctions: 120}
	for e := range newGenerator(t, c).All() {
		people, auctions := firstID+newestPerson(e.Index), firstID+newestAuction(e.Index)
		switch e.Kind {
		case KindAuction:
			require.Greater(t, e.Auction.Seller, people-150)
			require.LessOrEqual(t, e.Auction.Seller, people+10)
		case KindBid:
			require.Greater(t, e.Bid.Bidder, people-150)
			require.LessOrEqual(t, e.Bid.Bidder, people+10)
			require.GreaterOrEqual(t, e.Bid.Auction, auctions-120)
			require.LessOrEqual(t, e.Bid.Auction, auctions+10)
			ahead += int(one(e.Bid.Auction > auctions))
		}
		require.GreaterOrEqual(t, min(e.Bid.Auction, e.Bid.Bidder), int64(one(e.Kind == KindBid)*firstID))
	}
	require.Positive(t, ahead, "some bids are on auctions that open later")
}

func TestPricesAreEvenInTheirLogarithm(t *testing.T) {
	t.Parallel()
	decades := make([]float64, 6)
	distinct := map[int64]bool{}
	for e := range newGenerator(t, Config{Seed: 1, Events: 50_000}).All() {
		if e.Kind == KindBid {
			require.GreaterOrEqual(t, e.Bid.Price, int64(100))
			require.LessOrEqual(t, e.Bid.Price, int64(100_000_000))
			decades[min(int(math.Log10(float64(e.Bid.Price))-2), 5)]++
			distinct[e.Bid.Price] = true
		}
	}
	for decade, n := range decades {
		require.InDelta(t, 1.0/6, n/46_000, 0.01, "decade %d", decade)
	}
	require.Greater(t, len(distinct), 25_000, "prices are rarely equal, other than low ones")
}

func TestThePriceTableIsTheExponentialFunction(t *testing.T) {
	t.Parallel()
	for k, got := range newPrices() {
		want := 100 * math.Pow(10, float64(k)/pricesPerDecade) * priceUnit
		require.InEpsilon(t, want, float64(got), 1e-6)
	}
}

func TestAuctionsStayOpenUntilAsManyHaveOpenedAsAreInFlight(t *testing.T) {
	t.Parallel()
	for _, rate := range []int{100, 1000, 10_000, 1_000_000} {
		horizon := float64(100*50/3) * 1000 / float64(rate)
		var auctions, open, inTime, bids float64
		expires := map[int64]Millis{}
		for e := range newGenerator(t, Config{Seed: 4, Events: 100_000, Rate: rate}).All() {
			switch e.Kind {
			case KindAuction:
				length := e.Auction.Expires - e.Auction.At
				require.Positive(t, length)
				require.LessOrEqual(t, float64(length), 2*horizon+1)
				expires[e.Auction.ID] = e.Auction.Expires
				auctions++
				open += float64(length)
				require.Greater(t, e.Auction.Reserve, e.Auction.InitialBid)
			case KindBid:
				bids++
				inTime += one(e.At < expires[e.Bid.Auction])
			}
		}
		require.InDelta(t, horizon+0.5, open/auctions, 0.03*horizon+1)
		require.Greater(t, inTime/bids, 0.3, "many bids come while the auction is open")
	}
}

// What the strings look like.
var (
	personName  = regexp.MustCompile(`^[A-Z][a-z]+ [A-Z][a-z]+$`)
	email       = regexp.MustCompile(`^[a-z]{3,6}@[a-z]{3,4}\.com$`)
	card        = regexp.MustCompile(`^\d{4} \d{4} \d{4} \d{4}$`)
	item        = regexp.MustCompile(`^[a-z]([a-z ]{0,17}[a-z])?$`)
	description = regexp.MustCompile(`^[a-z]([a-z ]{0,97}[a-z])?$`)
	channelName = regexp.MustCompile(`^(Google|Facebook|Baidu|Apple|channel-\d{1,4})$`)
	address     = regexp.MustCompile(`^https://www\.nexmark\.com/([a-z]{3,4}/){3}item\.htm\?query=1(&channel_id=\d+)?$`)
)

func TestRecordsHaveTheirFieldsAndTheirSizes(t *testing.T) {
	t.Parallel()
	bytes, count := map[Kind]float64{}, map[Kind]float64{}
	for e := range newGenerator(t, Config{Seed: 1, Events: 50_000, OutOfOrder: time.Second}).All() {
		count[e.Kind]++
		switch p, a, b := e.Person, e.Auction, e.Bid; e.Kind {
		case KindPerson:
			require.Regexp(t, personName, p.Name)
			require.Regexp(t, email, p.Email)
			require.Regexp(t, card, p.CreditCard)
			require.Contains(t, cities, p.City)
			require.Contains(t, states, p.State)
			bytes[e.Kind] += float64(8 + len(p.Name) + len(p.Email) + len(p.CreditCard) + len(p.City) + len(p.State) + len(p.Extra))
		case KindAuction:
			require.Regexp(t, item, a.ItemName)
			require.Regexp(t, description, a.Description)
			bytes[e.Kind] += float64(48 + len(a.ItemName) + len(a.Description) + len(a.Extra))
		case KindBid:
			require.Regexp(t, channelName, b.Channel)
			require.Regexp(t, address, b.URL)
			bytes[e.Kind] += float64(32 + len(b.Extra))
		}
	}
	require.InDelta(t, 200, bytes[KindPerson]/count[KindPerson], 4)
	require.InDelta(t, 500, bytes[KindAuction]/count[KindAuction], 10)
	require.InDelta(t, 100, bytes[KindBid]/count[KindBid], 2)
}

func TestKindsHaveNames(t *testing.T) {
	t.Parallel()
	require.Equal(t, "none person auction bid", Kind(0).String()+" "+KindPerson.String()+" "+KindAuction.String()+" "+KindBid.String())
}

func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
