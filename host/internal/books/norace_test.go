//go:build !race

package books_test

const raced = false
