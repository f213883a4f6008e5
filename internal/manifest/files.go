package manifest

import (
	"path"
	"strings"
)

// ChartFile is the file that makes a folder a chart.
const ChartFile = "Chart.yaml"

// IsManifest reports whether a file of this name is read for objects.
func IsManifest(name string) bool {
	return strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml")
}

// Charts are the folders that are charts.
type Charts map[string]bool

// FindCharts returns the chart folders among these files: slash-separated paths from one top.
func FindCharts(files []string) Charts {
	charts := Charts{}
	for _, f := range files {
		if path.Base(f) == ChartFile {
			charts[path.Dir(f)] = true
		}
	}
	return charts
}

// Hold reports whether a file is in a chart, or in a folder below one.
func (c Charts) Hold(file string) bool {
	for dir := path.Dir(file); ; dir = path.Dir(dir) {
		if c[dir] {
			return true
		}
		if dir == "." || dir == "/" {
			return false
		}
	}
}
