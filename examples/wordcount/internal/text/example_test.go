package text_test

import (
	"fmt"

	"github.com/heapstate/heapstate/examples/wordcount/internal/text"
)

func ExampleWords() {
	_ = text.Words([]byte("Don't panic: utf8."), func(word []byte) error {
		fmt.Printf("%s\n", word)
		return nil
	})
	// Output:
	// don
	// t
	// panic
	// utf
}
