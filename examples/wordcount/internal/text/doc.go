// Package text finds the words of a text. A word is a maximal run of ASCII
// letters, lower-cased; every other byte separates.
package text
