package manifest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"
)

// File is a file to be read for objects.
type File struct {
	// Name is its path: slash-separated, from the top of the repository.
	Name string
	// Read returns its bytes. It is called from several goroutines at once.
	Read func() ([]byte, error)
}

// Found is what stands at one place of a file: an object, or a fault.
type Found struct {
	File string
	// Object is nil for a fault.
	Object *Object
	// Fault is nil for an object. Its Line is 0 when the whole file is meant.
	Fault *Fault
	// Code is a stable word for the fault: one of the Code constants.
	Code string
}

// The codes of faults.
const (
	CodeBadYAML   = "bad-yaml"  // not YAML, or a document that should be an object and is none
	CodeBadFile   = "bad-file"  // the file cannot be read
	CodeDuplicate = "duplicate" // the object is written twice
)

// ReadFiles reads files for objects, several at a time, and returns what it found in the order
// of the files and of the places in them. An object that is written in two places is a fault at
// each of them, and none of the two is returned as an object: which of them is meant nobody knows.
func ReadFiles(files []File) []Found {
	perFile := make([][]Found, len(files))
	next := make(chan int)
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), max(len(files), 1)) {
		workers.Go(func() {
			for i := range next {
				perFile[i] = readFile(files[i])
			}
		})
	}
	for i := range files {
		next <- i
	}
	close(next)
	workers.Wait()
	all := slices.Concat(perFile...)
	markDuplicates(all)
	return all
}

func readFile(f File) []Found {
	text, err := f.Read()
	if err != nil {
		return []Found{{File: f.Name, Code: CodeBadFile, Fault: &Fault{Message: err.Error()}}}
	}
	objects, faults := Parse(text)
	found := make([]Found, 0, len(objects)+len(faults))
	for i := range objects {
		found = append(found, Found{File: f.Name, Object: &objects[i]})
	}
	for _, fault := range faults {
		found = append(found, Found{File: f.Name, Fault: fault, Code: CodeBadYAML})
	}
	slices.SortStableFunc(found, func(a, b Found) int { return cmp.Compare(a.line(), b.line()) })
	return found
}

func (f Found) line() int {
	if f.Object != nil {
		return f.Object.Line
	}
	return f.Fault.Line
}

// identity is what makes two objects the same one for a cluster.
type identity struct{ group, kind, namespace, name string }

func identify(object json.RawMessage) identity {
	var o struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Metadata   struct {
			Namespace string `json:"namespace"`
			Name      string `json:"name"`
		} `json:"metadata"`
	}
	_ = json.Unmarshal(object, &o) // Parse has seen to it that these can be read
	group, _, grouped := strings.Cut(o.APIVersion, "/")
	if !grouped {
		group = ""
	}
	return identity{group, o.Kind, o.Metadata.Namespace, o.Metadata.Name}
}

func (i identity) String() string {
	kind := i.kind
	if i.group != "" {
		kind += "." + i.group
	}
	return path.Join(kind, i.namespace, i.name)
}

// markDuplicates turns every object that is there more than once into faults.
func markDuplicates(all []Found) {
	places := map[identity][]int{}
	for i, f := range all {
		if f.Object != nil {
			id := identify(f.Object.JSON)
			places[id] = append(places[id], i)
		}
	}
	for id, list := range places {
		if len(list) < 2 {
			continue
		}
		first, second := all[list[0]], all[list[1]]
		for _, i := range list {
			other := first
			if i == list[0] {
				other = second
			}
			o := all[i].Object
			all[i] = Found{File: all[i].File, Code: CodeDuplicate, Fault: &Fault{Doc: o.Doc, Item: o.Item, Line: o.Line,
				Message: fmt.Sprintf("%s is written twice; the other place is %s:%d", id, other.File, other.line())}}
		}
	}
}
