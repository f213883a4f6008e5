package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-gitops/sluice/internal/testkit/faultproxy"
)

// shelf is a cache in memory.
type shelf struct {
	mu    sync.Mutex
	texts map[string][]byte
	saved int
	err   error
}

func (s *shelf) Load(_ context.Context, key string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.texts[key], s.err
}

func (s *shelf) Save(_ context.Context, key string, text []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.saved++
	s.texts[key] = text
	return s.err
}

// run is one run of a program: it looks at tags at a time, and gives what was asked of them.
func (w *world) run(t *testing.T, cache Cache, at time.Time, tags ...string) ([]Image, []string) {
	t.Helper()
	w.Forget()
	c := w.client(func(o *Options) { o.Cache, o.At = cache, at })
	a := ref(t, "registry.example/a")
	if _, err := c.Tags(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	images := c.Images(t.Context(), a, tags)
	c.Done(t.Context(), a)
	var asked []string
	for _, r := range w.asked() {
		if strings.Contains(r, "/manifests/") || strings.Contains(r, "/blobs/") {
			asked = append(asked, strings.Replace(r, " http://registry.example/v2/a/", " ", 1))
		}
	}
	return images, asked
}

func TestSightingsFollowFluxsRule(t *testing.T) {
	const hour = int64(3600)
	at := noon
	see := func(s sighting, digest string, without bool) sighting {
		at = at.Add(time.Minute)
		return s.again(digest, without, at)
	}
	s := see(sighting{}, "a", false)
	for i, want := range []int64{1, 2, 4, 8, 16, 32, 64, 128, 168, 168} {
		if s.Every != want*hour || s.Digest != "a" || s.Seen != at.Unix() {
			t.Fatalf("look %d: %+v, want %d h", i, s, want)
		}
		s = see(s, "a", false)
	}
	for i, want := range []int64{84 * 60, 42 * 60, 21 * 60, 630, 315} {
		s = see(s, fmt.Sprint("b", i), false)
		if s.Every != want*60 {
			t.Fatalf("move %d: %+v, want %d min", i, s, want)
		}
	}
	s = sighting{Digest: "a", Every: 400}
	if s = see(s, "b", false); s.Every != 300 {
		t.Errorf("the shortest: %+v", s)
	}
	if s = see(s, "c", true); s.Every != 24*hour {
		t.Errorf("without a creation time: %+v", s)
	}
	s = sighting{Digest: "a", Seen: noon.Unix(), Every: 60}
	for after, want := range map[time.Duration]bool{0: false, 59 * time.Second: false, time.Minute: true, -time.Second: true} {
		if got := s.due(noon.Add(after)); got != want {
			t.Errorf("due after %s: %v", after, got)
		}
	}
	s.Every = 1 << 60
	if !s.due(noon.Add(8 * 24 * time.Hour)) {
		t.Error("an entry may not say that it is believed for ever")
	}
}

func TestCacheSparesRequests(t *testing.T) {
	w := newWorld(t)
	one := w.push(t, "a", "1", noon)
	w.push(t, "a", "2", noon.Add(time.Hour))
	if _, err := w.registry.PushIndex("a", "arm", noon, "linux/arm64/v8"); err != nil {
		t.Fatal(err)
	}
	cache := &shelf{texts: map[string][]byte{}}
	cold, asked := w.run(t, cache, noon, "1", "2", "arm")
	if len(asked) != 5 || cache.saved != 1 {
		t.Errorf("cold: asked %v, saved %d times", asked, cache.saved)
	}
	warm, asked := w.run(t, cache, noon.Add(59*time.Minute), "1", "2", "arm")
	if len(asked) != 0 || cache.saved != 1 {
		t.Errorf("warm: asked %v, saved %d times", asked, cache.saved)
	}
	for i := range cold {
		if fmt.Sprint(cold[i]) != fmt.Sprint(warm[i]) {
			t.Errorf("%v, and from the cache %v", cold[i], warm[i])
		}
	}
	wantFault(t, warm[2].Err, Unsupported, "no image for linux/amd64 in the index")
	// After an hour each tag is asked whether it moved; the one without a creation time after a day.
	_, asked = w.run(t, cache, noon.Add(time.Hour), "1", "2", "arm")
	slices.Sort(asked)
	if got := strings.Join(asked, ", "); got != "HEAD manifests/1, HEAD manifests/2" || cache.saved != 2 {
		t.Errorf("after an hour: %s, saved %d times", got, cache.saved)
	}
	// It did not, so that it is asked again after two. Meanwhile one moves.
	moved := w.push(t, "a", "2", noon.Add(2*time.Hour))
	images, asked := w.run(t, cache, noon.Add(2*time.Hour), "1", "2")
	if len(asked) != 0 || images[1].Digest == moved {
		t.Errorf("after two hours: %v", asked)
	}
	images, asked = w.run(t, cache, noon.Add(3*time.Hour), "2")
	if len(asked) != 3 || asked[0] != "HEAD manifests/2" || asked[1] != "GET manifests/"+moved || !images[0].Created.Equal(noon.Add(2*time.Hour)) {
		t.Errorf("a moved tag: %v, %+v", asked, images[0])
	}
	// A new tag of a known image costs its manifest.
	w.push(t, "a", "1", noon, "new")
	images, asked = w.run(t, cache, noon.Add(3*time.Hour), "new")
	if len(asked) != 1 || images[0].Digest != one {
		t.Errorf("a new tag: %v, %+v", asked, images[0])
	}
}

func TestDigestsAreNeverTakenFromTheCache(t *testing.T) {
	w := newWorld(t)
	w.push(t, "a", "1", noon)
	cache := &shelf{texts: map[string][]byte{}}
	w.run(t, cache, noon, "1")
	moved := w.push(t, "a", "1", noon.Add(time.Hour))
	c := w.client(func(o *Options) { o.Cache = cache })
	a := ref(t, "registry.example/a")
	if old := c.Images(t.Context(), a, []string{"1"})[0]; old.Digest == moved {
		t.Error("the cache was not used")
	}
	if got, err := c.Digest(t.Context(), a, "1"); got != moved || err != nil {
		t.Errorf("%s, %v", got, err)
	}
	// What was seen there counts from then on.
	if now := c.Images(t.Context(), a, []string{"1"})[0]; now.Digest != moved || !now.Created.Equal(noon.Add(time.Hour)) {
		t.Errorf("%+v", now)
	}
}

// SAFETY 17: an entry of the cache is believed only where its checksum is right and it is about this
// repository and this platform. Everything else is asked again, and written anew.
func TestSafety17DamagedEntriesAreAskedAgain(t *testing.T) {
	w := newWorld(t)
	w.push(t, "a", "1", noon)
	if _, err := w.registry.Push("b", "1", noon.AddDate(9, 0, 0)); err != nil {
		t.Fatal(err)
	}
	cache := &shelf{texts: map[string][]byte{}}
	w.run(t, cache, noon, "1")
	key := newMemory(nil, nil, "registry.example/a", Platform{OS: "linux", Architecture: "amd64"}).key
	whole := cache.texts[key]
	if whole == nil {
		t.Fatal("nothing was kept")
	}
	other := w.client(func(o *Options) { o.Cache = cache })
	other.Images(t.Context(), ref(t, "registry.example/b"), []string{"1"})
	other.Done(t.Context(), ref(t, "registry.example/b"))
	book, _ := decodeNotebook(whole)
	rewritten := func(change func(*notebook)) []byte {
		changed := notebook{Repository: book.Repository, Platform: book.Platform, Images: map[string]fact{}, Tags: map[string]sighting{}}
		for digest, what := range book.Images {
			changed.Images[digest] = what
		}
		for tag, s := range book.Tags {
			changed.Tags[tag] = s
		}
		change(&changed)
		text, err := encodeNotebook(changed)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	tests := map[string][]byte{
		"another platform": rewritten(func(n *notebook) { n.Platform = "linux/arm64" }),
		"no facts":         rewritten(func(n *notebook) { n.Images = map[string]fact{} }),
		"half a fact":      rewritten(func(n *notebook) { n.Images[book.Tags["1"].Digest] = fact{} }),
		"garbage":          []byte("garbage"),
		"no packing":       []byte(cacheTitle + sum([]byte("x")) + "\nx"),
		"empty":            {},
	}
	for k, text := range cache.texts {
		if k != key {
			tests["another repository's"] = text
		}
	}
	for _, at := range []int{0, len(cacheTitle) + 9, len(whole) / 2, len(whole) - 1} {
		flipped := bytes.Clone(whole)
		flipped[at] ^= 1
		tests[fmt.Sprintf("bit flipped at %d", at)] = flipped
	}
	for cut := 0; cut < len(whole); cut += 7 {
		tests[fmt.Sprintf("cut at %d", cut)] = whole[:cut]
	}
	for name, text := range tests {
		cache := &shelf{texts: map[string][]byte{key: text}}
		images, asked := w.run(t, cache, noon, "1")
		if images[0].Err != nil || !images[0].Created.Equal(noon) || len(asked) == 0 {
			t.Errorf("%s: %+v, asked %v", name, images[0], asked)
		}
		if again, _ := decodeNotebook(cache.texts[key]); again.Repository != "registry.example/a" {
			t.Errorf("%s: it was not written anew", name)
		}
	}
}

func TestCacheForgetsWhatIsGone(t *testing.T) {
	w := newWorld(t)
	w.push(t, "a", "1", noon)
	w.push(t, "a", "2", noon.Add(time.Hour))
	cache := &shelf{texts: map[string][]byte{}}
	w.run(t, cache, noon, "1", "2")
	w.Inject(faultproxy.Fault{Match: "/tags/list", Status: 200, Body: `{"tags":["2"]}`})
	w.run(t, cache, noon.Add(2*time.Hour), "2")
	for _, text := range cache.texts {
		if book, ok := decodeNotebook(text); !ok || len(book.Tags) != 1 || len(book.Images) != 1 {
			t.Errorf("kept %+v", book)
		}
	}
}

func TestCacheThatFailsIsLeftAlone(t *testing.T) {
	w := newWorld(t)
	w.push(t, "a", "1", noon)
	cache := &shelf{texts: map[string][]byte{}, err: errors.New("no shelf")}
	c := w.client(func(o *Options) { o.Cache = cache })
	for _, name := range []string{"registry.example/a", "registry.example/b"} {
		images := c.Images(t.Context(), ref(t, name), []string{"1"})
		if name == "registry.example/a" && images[0].Err != nil {
			t.Error(images[0].Err)
		}
		c.Done(t.Context(), ref(t, name))
	}
	if c.CacheErr() == nil || cache.saved > 1 {
		t.Errorf("%v, saved %d times", c.CacheErr(), cache.saved)
	}
}

func TestDir(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b")
	d, err := OpenDir(path)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := d.Load(t.Context(), "k"); text != nil || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if err := d.Save(t.Context(), "k", bytes.Repeat([]byte{byte('a' + i)}, 10_000)); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if text, err := d.Load(t.Context(), "k"); err != nil || text != nil && (len(text) != 10_000 || len(bytes.Trim(text, string(text[0]))) != 0) {
				t.Errorf("half a text of %d bytes, %v", len(text), err)
			}
		})
	}
	wg.Wait()
	files, err := os.ReadDir(path)
	if err != nil || len(files) != 1 {
		t.Errorf("%v, %v", files, err)
	}
	info, err := files[0].Info()
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if err := os.Chmod(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenDir(path); err == nil || !strings.Contains(err.Error(), "others may enter it (mode 0755, wanted 0700)") {
		t.Error(err)
	}
	if os.Geteuid() == 0 {
		if err := errors.Join(os.Chmod(path, 0o700), os.Chown(path, 12345, 0)); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenDir(path); err == nil || !strings.Contains(err.Error(), "it belongs to another user") {
			t.Error(err)
		}
	}
}

func FuzzNotebook(f *testing.F) {
	text, err := encodeNotebook(notebook{Repository: "a", Images: map[string]fact{}, Tags: map[string]sighting{"1": {}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(nil))
	f.Fuzz(func(t *testing.T, packed []byte) {
		decodeNotebook(packed)
		decodeNotebook(append([]byte(cacheTitle+sum(packed)+"\n"), packed...))
	})
}

func FuzzConfig(f *testing.F) {
	f.Add([]byte(`{"created":"2026-01-01T00:00:00Z","config":{"Labels":{"org.opencontainers.image.created":"x"}}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		what := parseConfig(body)
		if what.Created.IsZero() == (what.Fault == "") {
			t.Errorf("%+v", what)
		}
	})
}
