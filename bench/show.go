package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// show prints a row for each contender.
func show(to io.Writer, j job, samples [][]sample) error {
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "  \twall ms\tfrom-to\tCPU ms\tpeak MB\trequests\tours/this\taim\t")
	for i, c := range j.contenders {
		runs := counted(samples[i])
		walls := sorted(runs, func(s sample) time.Duration { return s.Wall })
		row := fmt.Sprintf("  %s\t%s\t%s-%s\t%s\t%.1f\t%s\t", c.name, ms(middle(walls)), ms(walls[0]), ms(walls[len(walls)-1]),
			ms(middle(sorted(runs, func(s sample) time.Duration { return s.CPU }))), float64(peak(runs))/1e6, requests(runs, c.cluster))
		if !c.ours && !j.apart {
			r := ratio(counted(samples[0]), runs)
			row += fmt.Sprintf("%.2f\t%s", r, aim(r, c.atMost))
		} else {
			row += "\t"
		}
		fmt.Fprintln(table, row+"\t"+samples[i][0].note)
	}
	return table.Flush()
}

// verify compares what does not depend on the machine with what is allowed.
func verify(contenders []contender, samples [][]sample) error {
	var errs []error
	for i, c := range contenders {
		all, metadata, writes := 0, 0, 0
		for _, s := range samples[i] {
			all, metadata = max(all, s.counts.All), max(metadata, s.counts.Manifests+s.counts.Blobs)
			writes = max(writes, s.counts.Writes)
		}
		if c.requests >= 0 && all > c.requests {
			errs = append(errs, fmt.Errorf("%s: %d requests, at most %d are allowed", c.name, all, c.requests))
		}
		if c.metadata >= 0 && metadata > c.metadata {
			errs = append(errs, fmt.Errorf("%s: %d requests for metadata, at most %d are allowed", c.name, metadata, c.metadata))
		}
		if c.writes >= 0 && writes > c.writes {
			errs = append(errs, fmt.Errorf("%s: %d writes, at most %d are allowed", c.name, writes, c.writes))
		}
		if top := peak(samples[i]); c.peak > 0 && top > c.peak {
			errs = append(errs, fmt.Errorf("%s: %.1f MB at the peak, at most %.1f are allowed", c.name, float64(top)/1e6, float64(c.peak)/1e6))
		}
	}
	return errors.Join(errs...)
}

// counted are the samples without the one that warmed up.
func counted(samples []sample) []sample {
	return slices.DeleteFunc(slices.Clone(samples), func(s sample) bool { return s.warmUp })
}

// ratio is the median over the rounds, or, where the numbers of rounds differ, that of the medians.
func ratio(ours, theirs []sample) float64 {
	wall := func(s sample) time.Duration { return s.Wall }
	if len(ours) != len(theirs) {
		return float64(middle(sorted(ours, wall))) / float64(middle(sorted(theirs, wall)))
	}
	all := make([]float64, len(ours))
	for i := range ours {
		all[i] = float64(ours[i].Wall) / float64(theirs[i].Wall)
	}
	slices.Sort(all)
	return middle(all)
}

// aim says what a ratio should be, and whether it is.
func aim(r, atMost float64) string {
	switch {
	case atMost == 0:
		return ""
	case r <= atMost:
		return fmt.Sprintf("<= %.2f", atMost)
	}
	return fmt.Sprintf("<= %.2f MISSED", atMost)
}

func sorted(samples []sample, of func(sample) time.Duration) []time.Duration {
	all := make([]time.Duration, len(samples))
	for i, s := range samples {
		all[i] = of(s)
	}
	slices.Sort(all)
	return all
}

// middle is the median of a sorted list.
func middle[T cmp.Ordered](sorted []T) T { return sorted[len(sorted)/2] }

func peak(samples []sample) (top int64) {
	for _, s := range samples {
		top = max(top, s.Peak)
	}
	return top
}

// requests is how many there were in a run: all, and those for manifests and blobs, or those that write.
func requests(samples []sample, cluster bool) string {
	c := samples[len(samples)-1].counts
	if c.All == 0 {
		return ""
	}
	if cluster {
		return fmt.Sprintf("%d (%d writes)", c.All, c.Writes)
	}
	return fmt.Sprintf("%d (%d for metadata)", c.All, c.Manifests+c.Blobs)
}

func ms(d time.Duration) string {
	if d < 10*time.Millisecond {
		return fmt.Sprintf("%.1f", float64(d)/1e6)
	}
	return fmt.Sprintf("%.0f", float64(d)/1e6)
}
