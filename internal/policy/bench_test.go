package policy

import (
	"fmt"
	"testing"
	"time"
)

// manyTags is a list such as a busy repository has: releases, pre-releases, builds and branches.
func manyTags(n int) []Tag {
	tags := make([]Tag, n)
	for i := range tags {
		name := fmt.Sprintf("%d.%d.%d", i/400, i/20%20, i%20)
		switch i % 4 {
		case 1:
			name += "-rc.1"
		case 2:
			name = fmt.Sprintf("build-%d-%07x", i, i*7919)
		case 3:
			name = fmt.Sprintf("dev-%07x", i*7919)
		}
		tags[i] = Tag{Name: name, Created: day(1).Add(time.Duration(i*7919%n) * time.Minute)}
	}
	return tags
}

var benchPolicies = []string{"glob:*", "glob:dev-*", "regexp:^dev-", "semver:*", "semver:^3.1", "semver:>=0-0", "alphabetical:^dev-(.*)", "numerical:^build-([0-9]+)-"}

// BenchmarkChoose chooses from 20,000 tags, as for one image of a big repository.
func BenchmarkChoose(b *testing.B) {
	tags := manyTags(20000)
	for _, text := range benchPolicies {
		p := parsed(b, text)
		b.Run(text, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.Choose(tags, tags[42].Name, Options{})
			}
		})
	}
}

// BenchmarkExplain is BenchmarkChoose with a verdict for each tag.
func BenchmarkExplain(b *testing.B) {
	tags := manyTags(20000)
	for _, text := range benchPolicies {
		p := parsed(b, text)
		b.Run(text, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.Explain(tags, tags[42].Name, Options{MinAge: time.Hour, Now: day(9)})
			}
		})
	}
}
