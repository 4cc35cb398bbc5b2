//go:build !unix

package fuzz

import "errors"

func makeFIFO(string) error { return errors.ErrUnsupported }
